//! The commit of a run: how it becomes a part of the session's state, by a checkpoint or by an
//! entry in the replay log.

use std::time::Duration;

use vmcontrol::runtime::Usage;

use super::SessionActor;
use super::active_run::Stage;
use crate::ipc::{LoggedRun, MAX_INPUTS, Trace};
use crate::supervisor::end_reason::EndReason;

impl SessionActor {
    /// Marks the run as committed, if its script has ended, and reports that.
    pub(super) async fn commit_run(&mut self) {
        if let Some(run) = &mut self.run
            && run.stage >= Stage::Ended
        {
            run.stage = Stage::Committed;
            // If the run was killed too late, its process dies all the same. The report waits for
            // that death, so that no other run begins before it.
            if run.kill.is_none() {
                self.finish_committed().await;
            }
        }
    }

    /// Adds a run to the replay log.
    ///
    /// # Errors
    /// When the replay log was not to take that run, or its trace has too many inputs.
    pub(super) fn log_run(
        &mut self,
        run: u64,
        trace: Trace,
        usage: Usage,
    ) -> Result<(), EndReason> {
        let request = self
            .active(run)
            .filter(|active| active.may_log && trace.inputs.len() <= MAX_INPUTS)
            .and_then(|active| active.request.take());
        let Some(request) = request else {
            return Err(EndReason::UnexpectedTrace);
        };
        self.commits += 1;
        let logged = LoggedRun {
            commits: self.commits,
            request,
            trace,
        };
        let took = Duration::from_micros(usage.cpu_us);
        self.replay_log.add(logged, took);
        Ok(())
    }

    /// Records that there is a checkpoint that holds `commits` runs. It must be called before the
    /// commit is reported, so that a query that follows the answer is answered from this
    /// checkpoint.
    ///
    /// # Errors
    /// When the checkpoint makes the replay log incomplete and has itself ended with its zygote.
    pub(super) fn note_checkpoint(&mut self, commits: u64) -> Result<(), EndReason> {
        self.commits = commits;
        if self.run.is_none() {
            // While a run is under way, the checkpoint whose death was reported may be this one.
            self.losses.checkpoint = None;
        }
        let is_complete = self.replay_log.note_checkpoint(commits);
        self.phase.note_checkpoint(is_complete)
    }
}
