//! What becomes of a session and its run when its process has died and the checkpoint is the session process.

use vmcontrol::runtime::RunUpdate;

use super::{Actor, Over};
use crate::ipc::{Death, DeathCause, LoggedRun, ToSession};
use crate::supervisor::death::{cancelled, cause_text, failure, wall_failure};
use crate::supervisor::run::{MAX_SENDS, Stage, Stopped};

/// A checkpoint that became the session process.
pub(super) struct Promotion {
    pub(super) generation: u32,
    pub(super) commits: u64,
}

impl Actor {
    pub(super) async fn on_death(&mut self, death: Death) -> Result<(), Option<Over>> {
        if let Some(generation) = death.generation {
            tracing::debug!(session = self.number, ?death, "a session process died");
            self.last_death = Some(death.clone());
            self.deaths.insert(generation, death);
            if generation == self.generation {
                self.await_promotion();
            }
            return self.judge_promotions().await;
        }
        tracing::debug!(session = self.number, ?death, "a checkpoint died");
        self.checkpoint_death = Some(death);
        // A checkpoint. A run that is under way may end with a new one; but this may have been just that one.
        self.checkpoint_lost = self.run.is_some();
        if !self.checkpoint_lost {
            self.send(&ToSession::RenewCheckpoint).await;
        }
        Ok(())
    }

    /// Settles what each take-over means, once the death before it is known.
    pub(super) async fn judge_promotions(&mut self) -> Result<(), Option<Over>> {
        while let Some(fail_over) = self.promotions.front() {
            let Some(death) = self.deaths.remove(&(fail_over.generation - 1)) else {
                // The zygote is to report it.
                self.zygote.watch();
                return Ok(());
            };
            let (generation, commits) = (fail_over.generation, fail_over.commits);
            self.promotions.pop_front();
            self.generation = generation;
            self.promotion_due = None;
            let is_current = commits == self.commits;
            if is_current {
                self.note_checkpoint(commits);
            }
            if is_current && self.respawn.is_some() {
                // It was made when the one before had caught up, which then died.
                self.go_on_with_state().await?;
            } else {
                self.fail_over(commits, &death).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn fail_over(
        &mut self,
        commits: u64,
        death: &Death,
    ) -> Result<(), Option<Over>> {
        let run_is_in = self
            .run
            .as_ref()
            .is_some_and(|run| run.stage >= Stage::Ended);
        let is_committed = self
            .run
            .as_ref()
            .is_some_and(|run| run.stage == Stage::Committed);
        if (run_is_in && commits == self.commits + 1) || (is_committed && commits == self.commits) {
            // It died after its commit, or between that and the news of it.
            self.note_checkpoint(commits);
            self.finish_run(RunUpdate::Committed).await;
            return Ok(());
        }
        let log = self.replay_log.runs();
        if commits < self.commits && !log.is_empty() && LoggedRun::go_on_from(&log, commits) {
            return self.catch_up(death).await;
        }
        if commits != self.commits {
            return Err(Some(format!(
                "its state is lost, because its process and its newest checkpoint died together: {}",
                cause_text(death)
            )));
        }
        if let Some(message) = self.run_to_send_again(death) {
            self.send(&message).await;
        } else if let Some(run) = &self.run {
            let failure = match run.stopped {
                Some((Stopped::Overdue, _)) => wall_failure(death, &run.limits),
                Some((Stopped::Cancelled, _)) => cancelled(death),
                None => failure(death, &run.limits),
            };
            self.finish_run(RunUpdate::RolledBack(failure)).await;
        }
        Ok(())
    }

    /// A run that the dead process had not begun, if it can't be what killed it: somebody else did.
    fn run_to_send_again(&mut self, death: &Death) -> Option<ToSession> {
        let run = self.run.as_mut()?;
        let killed = death.cause == DeathCause::Signaled(libc::SIGKILL);
        if !killed || run.stopped.is_some() || run.stage != Stage::Sent || run.sent >= MAX_SENDS {
            return None;
        }
        run.sent += 1;
        let request = run.request.as_ref()?;
        Some(ToSession::run(run.id, request, run.may_log))
    }
}
