//! The actor's part of a respawn (`recovery/respawn.rs`): it has the old processes killed and
//! reaped, gets another process, and has that replay the log.

use super::SessionActor;
use super::process::SessionProcess;
use crate::ipc::{Death, DeathCause, DeathNote, ToSession};
use crate::supervisor::end_reason::{EndReason, NoZygote};
use crate::supervisor::recovery::respawn::{BETWEEN_ATTEMPTS, RESPAWN_TIMEOUT, Respawn};
use crate::supervisor::zygote::ForkedProcess;

impl SessionActor {
    /// Handles the end of the session's socket: no process of the session is left. Gets another
    /// process, if the session can be restored from its seed.
    pub(super) async fn on_channel_end(&mut self) -> Result<(), EndReason> {
        if self.phase.respawn_seed().is_none() {
            return Err(EndReason::ProcessesEnded);
        }
        if let Some(reason) = self.kill_and_reap().await {
            self.note_zygote_loss(reason)?;
        }
        if self.phase.accepts_work() {
            let after = self
                .death_to_recover_from()
                .ok_or(EndReason::ProcessesEnded)?;
            tracing::debug!(
                session = self.process.number,
                ?after,
                "a session is respawned"
            );
            self.recover_after(after)?;
        }
        self.failovers.clear();
        self.losses.checkpoint = None;
        self.replay_log.note_loss_of_checkpoint();
        self.move_to_another_zygote().await?;
        self.phase.restart_from_seed();
        self.process = SessionProcess::first(self.fork_replacement().await?);
        // If the process takes no message, the session ends at the deadline of the respawn.
        let _ = tokio::time::timeout(RESPAWN_TIMEOUT, self.set_up()).await;
        Ok(())
    }

    /// Records that the zygote ended, for this reason.
    pub(super) fn note_zygote_loss(&mut self, reason: String) -> Result<(), EndReason> {
        let is_reproducible = self.zygote.is_deterministic();
        self.phase.note_zygote_loss(reason, is_reproducible)
    }

    /// The death that the respawn recovers from; `None` if the zygote runs and has not reported the
    /// death of the session process.
    fn death_to_recover_from(&mut self) -> Option<Death> {
        let Some(reason) = self.phase.zygote_loss() else {
            return self.losses.process.take();
        };
        let note = DeathNote::ZygoteGone(reason.to_owned());
        let generation = self.process.generation;
        // The process may have died of itself shortly before the zygote ended, and the zygote may
        // not have reported that.
        let own = self.failovers.take_death(generation);
        if let (None, Some(run)) = (&own, &mut self.run) {
            run.judge_by_clock();
        }
        own.or(Some(Death {
            generation: Some(generation),
            cause: DeathCause::KILLED,
            note: Some(note),
            usage: None,
        }))
    }

    /// Gets another zygote, if the session's own zygote has ended.
    async fn move_to_another_zygote(&mut self) -> Result<(), EndReason> {
        let Some(reason) = self.phase.zygote_loss().map(str::to_owned) else {
            return Ok(());
        };
        let replaced = tokio::select! {
            replaced = tokio::time::timeout(RESPAWN_TIMEOUT, self.zygotes.replace()) => replaced,
            _ = self.closing.wait_for(|closing| *closing) => return Err(EndReason::Closed),
        };
        let error = match replaced {
            Ok(Ok(zygote)) => {
                self.zygote = zygote;
                return Ok(());
            }
            Ok(Err(error)) => NoZygote::Failed(error),
            Err(_) => NoZygote::Overdue,
        };
        Err(EndReason::NoOtherZygote { reason, error })
    }

    /// Orders the fork of a new process, for the first time or again.
    async fn fork_replacement(&mut self) -> Result<ForkedProcess, EndReason> {
        let session = self.process.number;
        while let Some(attempt) = self.phase.respawn_mut().and_then(Respawn::next_attempt) {
            if attempt > 1 {
                let refusal = &self.losses.refused_fork;
                tracing::debug!(session, attempt, ?refusal, "a process is asked for again");
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            // The processes may have died because the session was closed.
            if *self.closing.borrow() || self.closing.has_changed().is_err() {
                return Err(EndReason::Closed);
            }
            match self.zygote.fork_as(session) {
                Ok(forked) => return Ok(forked),
                Err(error) => self.losses.refused_fork = Some(error.to_string()),
            }
        }
        Err(EndReason::ProcessesEnded)
    }

    /// Pauses the session until a process has the committed state: no run begins or continues.
    fn recover_after(&mut self, after: Death) -> Result<(), EndReason> {
        if let Some(run) = &mut self.run {
            run.lose_process();
        }
        self.phase.recover(after).map(|_| ())
    }

    /// Has the session process replay the runs that it lacks, after the process before it died as
    /// `death` says.
    pub(super) async fn catch_up(&mut self, death: &Death) -> Result<(), EndReason> {
        self.recover_after(death.clone())?;
        if let Some(respawn) = self.phase.respawn_mut() {
            respawn.note_death(death)?;
        }
        let replay = ToSession::Replay(self.replay_log.missing_runs());
        // If the process takes no message, the session ends at the deadline of the respawn.
        let _ = tokio::time::timeout(RESPAWN_TIMEOUT, self.send(&replay)).await;
        Ok(())
    }

    /// Handles the report that a respawned process is ready: either it has the committed state
    /// already, or it has to replay the log.
    pub(super) async fn resume_respawned(&mut self) -> Result<(), EndReason> {
        let Some(respawn) = self.phase.respawn() else {
            return Ok(());
        };
        if self.commits > 0 {
            let after = self.losses.process.take();
            let after = after.unwrap_or_else(|| respawn.after().clone());
            return self.catch_up(&after).await;
        }
        match self.phase.note_recovery() {
            Some(respawn) => self.resume_with_state(&respawn).await,
            None => Ok(()),
        }
    }
}
