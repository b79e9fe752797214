//! The dispatch of the actor: what it does for each message of the session process, each event of
//! the zygote, and each command.

use vmcontrol::runtime::{Outcome, RunResult, RunUpdate, RuntimeEvent};

use super::SessionActor;
use super::command::Command;
use crate::ipc::FromSession;
use crate::ipc::daemon_end::Received;
use crate::supervisor::end_reason::EndReason;
use crate::supervisor::recovery::failover::Promotion;
use crate::supervisor::zygote::ProcessEvent;

impl SessionActor {
    /// Handles a command of the session's owner.
    pub(super) async fn on_command(&mut self, command: Command) {
        match command {
            Command::Run {
                execution_id,
                request,
                updates,
            } => self.start_run(execution_id, request, updates).await,
            Command::Cancel(execution_id) => self.cancel(execution_id),
        }
    }

    /// Handles a message of the session process.
    ///
    /// # Errors
    /// When the message ends the session.
    pub(super) async fn on_message(
        &mut self,
        received: Received<FromSession>,
    ) -> Result<(), EndReason> {
        match received.message {
            FromSession::Ready {
                error: Some(reason),
            } => return Err(EndReason::SetUpFailed(reason)),
            FromSession::Ready { error: None } => {
                let Some(ready) = self.phase.note_ready() else {
                    return self.resume_respawned().await;
                };
                // The caller that opens the session may have stopped waiting.
                let _ = ready.send(());
            }
            FromSession::Started { run } => {
                if let Some(active) = self.active(run) {
                    active.begin();
                }
            }
            FromSession::Event { kind, payload } => {
                let event = RuntimeEvent {
                    kind,
                    payload,
                    charge: received.charge,
                };
                self.update(RunUpdate::Event(event)).await;
            }
            FromSession::HostCall(call) => self.start_host_call(call, received.charge),
            FromSession::RefusedHostCall => self.refuse_host_call().await,
            FromSession::Ended {
                run,
                threw,
                payload,
                usage,
                trace,
            } => {
                let outcome = if threw {
                    Outcome::Exception(payload)
                } else {
                    Outcome::Value(payload)
                };
                let result = RunResult {
                    outcome,
                    usage: Some(usage),
                    charge: received.charge,
                };
                self.end_run(run, result).await;
                if let Some(trace) = trace {
                    self.log_run(run, trace, usage)?;
                    self.commit_run().await;
                }
            }
            FromSession::Committed { commits } => return self.on_committed(commits).await,
            FromSession::Promoted { commits } => {
                self.failovers.note_promotion(Promotion {
                    generation: received.generation,
                    commits,
                });
                return self.judge_promotions().await;
            }
        }
        Ok(())
    }

    /// Handles the report of a checkpoint, which holds the run, or the runs that a process has
    /// replayed.
    async fn on_committed(&mut self, commits: u64) -> Result<(), EndReason> {
        if commits < self.commits {
            return Err(EndReason::StateWentBack);
        }
        let noted = self.note_checkpoint(commits);
        match self.phase.note_recovery() {
            Some(respawn) => self.resume_with_state(&respawn).await?,
            None => self.commit_run().await,
        }
        noted
    }

    /// Handles an event of the session's process group.
    ///
    /// # Errors
    /// When the event ends the session.
    pub(super) async fn on_process_event(&mut self, event: ProcessEvent) -> Result<(), EndReason> {
        match event {
            ProcessEvent::Died(death) => self.on_death(death).await,
            ProcessEvent::OpenFailed(reason) => {
                self.losses.refused_fork = Some(reason);
                Ok(())
            }
            // Messages of the last process may not have been read yet. The end of the socket comes
            // after them.
            ProcessEvent::Ended => Ok(()),
            ProcessEvent::ZygoteGone(reason) => self.note_zygote_loss(reason),
        }
    }
}
