//! How a run becomes a part of a session's state: by a checkpoint, or by an entry of its redo log.

use std::time::Duration;

use vmcontrol::runtime::{RunUpdate, Usage};

use super::{Actor, Over};
use crate::ipc::{LoggedRun, MAX_INPUTS, Trace};
use crate::supervisor::run::Stage;

impl Actor {
    /// Notes that the run is a part of the session's state from now on.
    pub(super) async fn commit_run(&mut self) {
        if let Some(run) = &mut self.run
            && run.stage >= Stage::Ended
        {
            run.stage = Stage::Committed;
            // If it was killed too late, that will hit this process all the same: nothing else begins before.
            if run.stopped.is_none() {
                self.finish_run(RunUpdate::Committed).await;
            }
        }
    }

    /// Notes that the run is to be run once more by whoever does not hold it.
    pub(super) fn log_run(
        &mut self,
        run: u64,
        trace: Trace,
        usage: Usage,
    ) -> Result<(), Option<Over>> {
        let request = self
            .active(run)
            .filter(|active| active.may_log && trace.inputs.len() <= MAX_INPUTS)
            .and_then(|active| active.request.take());
        let Some(request) = request else {
            return Err(Some(
                "the session process kept a run that it was not to keep".into(),
            ));
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

    /// Notes that there is a checkpoint with so many runs.
    pub(super) fn note_checkpoint(&mut self, commits: u64) {
        self.commits = commits;
        if !std::mem::replace(&mut self.has_checkpoint, true) {
            // Before anybody hears of the commit, which it does not have, or asks without the log.
            self.stand_in.hang_up();
        }
        if self.run.is_none() {
            // While something runs it may have been the one that died.
            self.checkpoint_death = None;
        }
        if !self.replay_log.note_checkpoint(commits) {
            self.seed = None;
        }
    }
}
