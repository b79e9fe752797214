//! How a run becomes a part of a session's state: by a checkpoint, or by an entry of the replay
//! log.

use std::time::Duration;

use vmcontrol::runtime::Usage;

use super::SessionActor;
use super::active_run::Stage;
use crate::ipc::{LoggedRun, MAX_INPUTS, Trace};
use crate::supervisor::end_reason::EndReason;

impl SessionActor {
    /// The session's state holds the run from now on, if it has ended.
    pub(super) async fn commit_run(&mut self) {
        if let Some(run) = &mut self.run
            && run.stage >= Stage::Ended
        {
            run.stage = Stage::Committed;
            // If it was killed too late, its process dies all the same: no other run begins before.
            if run.kill.is_none() {
                self.finish_committed().await;
            }
        }
    }

    /// Adds a run to the replay log.
    ///
    /// # Errors
    /// When the session process was not to keep that run.
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

    /// There is a checkpoint that holds so many runs. Queries are answered from it before the
    /// commit of the newest is told.
    ///
    /// # Errors
    /// When the session could only have been restored from what the checkpoint makes incomplete.
    pub(super) fn note_checkpoint(&mut self, commits: u64) -> Result<(), EndReason> {
        self.commits = commits;
        if self.run.is_none() {
            // While something runs it may be this checkpoint that has died.
            self.losses.checkpoint = None;
        }
        let is_complete = self.replay_log.note_checkpoint(commits);
        self.phase.note_checkpoint(is_complete)
    }
}
