//! The actor's part of a failover (`recovery/failover.rs`): it joins deaths with promotions and
//! carries out the verdict.

use super::SessionActor;
use super::active_run::{ActiveRun, KillReason};
use super::losses::CheckpointLoss;
use crate::ipc::{Death, ToSession};
use crate::supervisor::end_reason::EndReason;
use crate::supervisor::recovery::failover::{Verdict, judge};
use crate::supervisor::recovery::respawn::Respawn;
use crate::supervisor::rollback;

impl SessionActor {
    /// Handles the death of a session process or of a checkpoint.
    ///
    /// # Errors
    /// When the session can't continue after that death.
    pub(super) async fn on_death(&mut self, death: Death) -> Result<(), EndReason> {
        let session = self.process.number;
        if let Some(generation) = death.generation {
            tracing::debug!(session, ?death, "a session process died");
            self.losses.process = Some(death.clone());
            self.failovers.note_death(generation, death);
            if generation == self.process.generation {
                self.phase.await_promotion();
            }
            return self.judge_promotions().await;
        }
        tracing::debug!(session, ?death, "a checkpoint died");
        // A run that is under way may end with a new checkpoint; but the checkpoint that died may
        // be that new one.
        let renew_after_run = self.run.is_some();
        self.losses.checkpoint = Some(CheckpointLoss {
            death,
            renew_after_run,
        });
        if !renew_after_run {
            self.send(&ToSession::RenewCheckpoint).await;
        }
        Ok(())
    }

    /// Judges each promotion whose death has been reported.
    pub(super) async fn judge_promotions(&mut self) -> Result<(), EndReason> {
        while let Some((promotion, death)) = self.failovers.next() {
            self.process.generation = promotion.generation;
            self.phase.note_promotion();
            if promotion.commits == self.commits {
                self.note_checkpoint(promotion.commits)?;
                if let Some(respawn) = self.phase.note_recovery() {
                    // The process before had replayed the log, made this checkpoint and died then.
                    self.resume_with_state(&respawn).await?;
                    continue;
                }
            }
            self.carry_out_verdict(promotion.commits, &death).await?;
        }
        if self.failovers.awaits_death() {
            // The death is still to be reported. A zygote that does not answer must not hold the
            // session up.
            self.zygote.watch();
        }
        Ok(())
    }

    /// Continues after a recovery with a process that holds every committed run.
    pub(super) async fn resume_with_state(&mut self, respawn: &Respawn) -> Result<(), EndReason> {
        // Earlier deaths do not explain later ones.
        self.losses.process = None;
        self.losses.refused_fork = None;
        if let Some(run) = &mut self.run {
            run.resume_clock();
        }
        self.carry_out_verdict(self.commits, respawn.after()).await
    }

    /// Judges a process whose state holds `commits` runs, after the process before it died as
    /// `death` says, and carries the verdict out.
    async fn carry_out_verdict(&mut self, commits: u64, death: &Death) -> Result<(), EndReason> {
        let run = self.run.as_ref().map(ActiveRun::progress);
        let missing = self.replay_log.missing_runs();
        match judge(commits, self.commits, run, &missing) {
            Verdict::RunCommitted => {
                let noted = self.note_checkpoint(commits);
                self.finish_committed().await;
                noted
            }
            Verdict::Replay => self.catch_up(death).await,
            Verdict::RunUndone => {
                self.undo_run(death).await;
                Ok(())
            }
            Verdict::StateLost => Err(EndReason::StateLost(death.clone())),
        }
    }

    /// Sends the run, if there is one, to the new process, or rolls it back.
    async fn undo_run(&mut self, death: &Death) {
        let Some(run) = &mut self.run else { return };
        if let Some(message) = run.send_again(death) {
            self.send(&message).await;
            return;
        }
        let failure = match run.kill {
            Some((KillReason::Overdue, _)) => rollback::overdue(&run.limits),
            Some((KillReason::Cancelled, _)) => rollback::cancelled(),
            None => rollback::failure(death, &run.limits),
        };
        self.finish_rolled_back(failure, death.usage).await;
    }
}
