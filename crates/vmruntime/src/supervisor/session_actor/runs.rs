//! The run of a session, from the request to its result.

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
    pub(super) async fn start_run(
        &mut self,
        execution_id: Uuid,
        request: RunRequest,
        updates: mpsc::Sender<RunUpdate>,
    ) {
        if self.run.is_some() {
            // The caller runs one thing at a time. A bug of the caller must not disturb the run
            // that is under way.
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

    /// The run of that number, if it is under way.
    pub(super) fn active(&mut self, run: u64) -> Option<&mut ActiveRun> {
        self.run.as_mut().filter(|active| active.number == run)
    }

    /// Has that execution killed. One that has ended is left to its commit.
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

    /// Has a run killed that the kernel must have ended.
    ///
    /// # Errors
    /// When it was to be killed already: then the session is ended as a whole.
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

    /// The script of a run has ended by itself.
    pub(super) async fn end_run(&mut self, run: u64, result: RunResult) {
        if let Some(active) = self.active(run) {
            active.stage = Stage::Ended;
            self.update(RunUpdate::Ended(result)).await;
        }
    }

    /// Sends an update of the run. Waits while the recorder is slow.
    pub(super) async fn update(&self, update: RunUpdate) {
        if let Some(run) = &self.run {
            // A recorder that failed has answered already; the run goes on to its end.
            let _ = run.updates.send(update).await;
        }
    }

    /// Tells that the run is committed.
    pub(super) async fn finish_committed(&mut self) {
        self.broker.run_kept();
        self.finish_run(RunUpdate::Committed).await;
    }

    /// Takes back what the run has in hand, and tells that it was rolled back.
    pub(super) async fn finish_rolled_back(&mut self, failure: Failure, usage: Option<Usage>) {
        // Before the update: its receiver may start the next run.
        self.take_back_call().await;
        self.finish_run(rolled_back(failure, usage)).await;
    }

    async fn finish_run(&mut self, update: RunUpdate) {
        self.update(update).await;
        self.run = None;
        if self.losses.take_renewal() {
            self.send(&ToSession::RenewCheckpoint).await;
        }
    }

    /// Takes back what a host module has in hand for the run, and waits until it has ended.
    pub(super) async fn take_back_call(&mut self) {
        if let Some(call) = self.run.as_mut().and_then(|run| run.call.take()) {
            call.abort();
            // It is cancelled, or had ended.
            let _ = call.await;
        }
        self.broker.run_taken_back().await;
    }
}

fn rolled_back(failure: Failure, usage: Option<Usage>) -> RunUpdate {
    RunUpdate::Ended(RunResult {
        outcome: Outcome::RolledBack(failure),
        usage,
        charge: Lease::default(),
    })
}
