//! The run of a session, from its request to its result.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use uuid::Uuid;
use vmcontrol::Lease;
use vmcontrol::runtime::{Failure, FailureCode, Outcome, RunRequest, RunResult, RunUpdate, Usage};

use super::SessionActor;
use super::active_run::{ActiveRun, KillReason, Stage};
use crate::ipc::ToSession;
use crate::supervisor::end_reason::EndReason;

impl SessionActor {
    /// Sends a run to the session process. If a run is under way already, the new one is refused.
    pub(super) async fn start_run(
        &mut self,
        execution_id: Uuid,
        request: RunRequest,
        updates: mpsc::Sender<RunUpdate>,
    ) {
        if self.run.is_some() {
            // The caller sends one run at a time. A bug of the caller must not disturb the run that
            // is under way.
            let failure = Failure {
                code: FailureCode::RuntimeCrashed,
                message: "the session was asked to run two things at once".into(),
            };
            let _ = updates.send(rolled_back(failure, None)).await;
            return;
        }
        let number = self.next_run;
        self.next_run += 1;
        let may_log = self.replay_log.has_room_for(&request);
        let request = Arc::new(request);
        let message = ToSession::Run {
            run: number,
            request: Arc::clone(&request),
            may_log,
        };
        self.run = Some(ActiveRun::new(
            number,
            execution_id,
            request,
            may_log,
            updates,
        ));
        self.send(&message).await;
    }

    /// The run of that number; `None` if it is not under way.
    pub(super) fn active(&mut self, run: u64) -> Option<&mut ActiveRun> {
        self.run.as_mut().filter(|active| active.number == run)
    }

    /// Orders the death of the process that runs that execution. An execution whose script has
    /// ended is left to its commit.
    pub(super) fn cancel(&mut self, execution_id: Uuid) {
        if let Some(run) = &mut self.run
            && run.execution_id == execution_id
            && run.stage < Stage::Ended
            && run.kill.is_none()
        {
            run.kill = Some((KillReason::Cancelled, Instant::now()));
            self.zygote
                .interrupt(self.process.number, self.process.generation);
        }
    }

    /// Orders the death of a run that the kernel must have ended.
    ///
    /// # Errors
    /// When the death of the run was ordered before and did not happen in time: then the session
    /// ends as a whole.
    pub(super) fn end_overdue(&mut self) -> Result<(), EndReason> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        if run.kill.is_some() {
            return Err(EndReason::Unstoppable);
        }
        run.kill = Some((KillReason::Overdue, Instant::now()));
        self.zygote
            .interrupt(self.process.number, self.process.generation);
        Ok(())
    }

    /// Records that the script of a run has ended by itself, and reports its result.
    pub(super) async fn end_run(&mut self, run: u64, result: RunResult) {
        if let Some(active) = self.active(run) {
            active.stage = Stage::Ended;
            self.update(RunUpdate::Ended(result)).await;
        }
    }

    /// Sends an update of the run. Waits while the recorder is slow.
    pub(super) async fn update(&self, update: RunUpdate) {
        if let Some(run) = &self.run {
            // If the recorder has failed, it has answered the client already, and the run continues
            // to its end.
            let _ = run.updates.send(update).await;
        }
    }

    /// Reports that the run is committed, to host modules and to the recorder.
    pub(super) async fn finish_committed(&mut self) {
        self.broker.run_committed();
        self.finish_run(RunUpdate::Committed).await;
    }

    /// Ends the host call of the run, and reports that the run was rolled back.
    pub(super) async fn finish_rolled_back(&mut self, failure: Failure, usage: Option<Usage>) {
        // This is done before the update, because its receiver may start the next run.
        self.abort_call().await;
        self.finish_run(rolled_back(failure, usage)).await;
    }

    /// Sends the last update of the run and forgets the run.
    async fn finish_run(&mut self, update: RunUpdate) {
        self.update(update).await;
        self.run = None;
        if self.losses.take_renewal() {
            self.send(&ToSession::RenewCheckpoint).await;
        }
    }

    /// Aborts the host call of the run, has the host modules undo what the run left open, and waits
    /// until that is done.
    pub(super) async fn abort_call(&mut self) {
        if let Some(call) = self.run.as_mut().and_then(|run| run.call.take()) {
            call.abort();
            // The call was aborted, or had ended.
            let _ = call.await;
        }
        self.broker.run_rolled_back().await;
    }
}

fn rolled_back(failure: Failure, usage: Option<Usage>) -> RunUpdate {
    RunUpdate::Ended(RunResult {
        outcome: Outcome::RolledBack(failure),
        usage,
        charge: Lease::default(),
    })
}
