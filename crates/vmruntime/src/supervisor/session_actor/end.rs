//! The end of a session's processes, and of the session.

use std::sync::Arc;

use vmcontrol::runtime::{RunUpdate, SessionEnd};

use super::SessionActor;
use super::command::Command;
use super::losses::CheckpointLoss;
use crate::supervisor::end_reason::EndReason;
use crate::supervisor::zygote::ProcessEvent;

impl SessionActor {
    /// Has the zygote kill what is left of the session's processes, and waits until all are reaped
    /// or have ended with their zygote. Returns why the zygote ended, if it ended only now;
    /// otherwise `None`.
    pub(super) async fn kill_and_reap(&mut self) -> Option<String> {
        if self.phase.zygote_loss().is_some() {
            return None;
        }
        self.zygote.close(self.process.number);
        while let Some(event) = self.process.events.recv().await {
            match event {
                ProcessEvent::Ended => return None,
                ProcessEvent::Died(death) if death.generation.is_none() => {
                    self.losses.checkpoint.get_or_insert(CheckpointLoss {
                        death,
                        renew_after_run: false,
                    });
                }
                ProcessEvent::Died(death) => {
                    self.losses.process.get_or_insert(death);
                }
                ProcessEvent::OpenFailed(reason) => {
                    self.losses.refused_fork = Some(reason);
                    return None;
                }
                ProcessEvent::ZygoteGone(reason) => return Some(reason),
            }
        }
        None
    }

    /// Ends the session: kills all its processes, waits until they have ended, and reports the loss
    /// to the owners of its runs. Returns why the session ended. If `reason` is only that the
    /// processes ended, the cause is taken from the losses.
    pub(super) async fn end(mut self, reason: EndReason) -> EndReason {
        let queries = Arc::clone(&self.queries);
        let (zygote_loss, ()) = tokio::join!(self.kill_and_reap(), queries.close());
        let reason = match reason {
            EndReason::ProcessesEnded => self.cause_of_loss(zygote_loss),
            other => other,
        };
        let lost = || {
            let reason = reason.to_string();
            RunUpdate::SessionLost(SessionEnd { reason })
        };
        if self.run.is_some() {
            self.abort_call().await;
        }
        if let Some(run) = self.run.take() {
            let _ = run.updates.send(lost()).await;
        }
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Run { updates, .. } = command {
                let _ = updates.send(lost()).await;
            }
        }
        reason
    }

    /// The cause of the end of a session that has no process any more.
    fn cause_of_loss(&mut self, zygote_loss: Option<String>) -> EndReason {
        let known = self.phase.zygote_loss().map(str::to_owned);
        if let Some(reason) = zygote_loss.or(known) {
            return EndReason::ZygoteGone(reason);
        }
        if let Some(reason) = self.losses.refused_fork.take() {
            return EndReason::ForkRefused(reason);
        }
        match (self.losses.process.take(), self.losses.checkpoint.take()) {
            (Some(process), Some(checkpoint)) => EndReason::CheckpointLost {
                checkpoint: checkpoint.death.into(),
                process: process.into(),
                running: self.run.as_ref().map(|run| run.limits),
            },
            (Some(process), None) => EndReason::ProcessLost(process),
            (None, _) => EndReason::ProcessesEnded,
        }
    }
}
