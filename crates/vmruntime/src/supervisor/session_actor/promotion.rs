//! The actor's part of a failover (`recovery/failover.rs`): it brings deaths and promotions
//! together, and carries out the verdict.

use super::SessionActor;
use super::active_run::{ActiveRun, KillReason};
use super::losses::CheckpointLoss;
use crate::ipc::{Death, ToSession};
use crate::supervisor::end_reason::EndReason;
use crate::supervisor::recovery::failover::{Verdict, judge};
use crate::supervisor::recovery::respawn::Respawn;
use crate::supervisor::rollback;

impl SessionActor {
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
        // A run that is under way may end with a new checkpoint; but this may be the death of it.
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

    /// Judges each promotion for which the death before it is known.
    pub(super) async fn judge_promotions(&mut self) -> Result<(), EndReason> {
        while let Some((promotion, death)) = self.failovers.next() {
            self.process.generation = promotion.generation;
            self.phase.note_promotion();
            if promotion.commits == self.commits {
                self.note_checkpoint(promotion.commits)?;
                if let Some(respawn) = self.phase.note_recovery() {
                    // The process before it had replayed the log, and died then.
                    self.go_on_with_state(&respawn).await?;
                    continue;
                }
            }
            self.carry_out_verdict(promotion.commits, &death).await?;
        }
        if self.failovers.awaits_death() {
            // The zygote is to report it.
            self.zygote.watch();
        }
        Ok(())
    }

    /// Goes on with a process that holds everything that was committed, after a recovery.
    pub(super) async fn go_on_with_state(&mut self, respawn: &Respawn) -> Result<(), EndReason> {
        // Earlier losses are no cause of later ones.
        self.losses.process = None;
        self.losses.refused_fork = None;
        if let Some(run) = &mut self.run {
            run.resume_clock();
        }
        self.carry_out_verdict(self.commits, respawn.after()).await
    }

    /// Judges a process whose state holds `commits` runs, after the one before died like this, and
    /// carries the verdict out.
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

    /// Hands the run, if there is one, to the new process, or rolls it back.
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
