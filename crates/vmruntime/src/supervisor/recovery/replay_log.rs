//! The replay log of a session: the runs that it has committed without a checkpoint.
//!
//! A short deterministic run needs no checkpoint: its text and its trace are kept here, and every
//! process whose state lacks the run replays it. `worker/replay.rs` says which runs are logged,
//! which processes replay them, and why a replay leads to the same state.
//!
//! # Bounds
//!
//! The runs that the checkpoint lacks are bounded in number, size and time, because each roll-back
//! and each query has to replay them. When the log has no room for the next run, that run is
//! committed with a checkpoint, which also holds all runs before it.
//!
//! # Completeness
//!
//! A log that has every run that the session ever committed is *complete*: then the session can be
//! restored without a checkpoint, by another fork of the zygote that replays the whole log. So a
//! complete log keeps its runs when a checkpoint is made, as long as it is small ([`MAX_HISTORY`]).
//! When a checkpoint holds a run that is not in the log, or when the log has become too large, the
//! log is emptied at that checkpoint and stays incomplete for the rest of the session.
//!
//! # Consistency
//!
//! The session's actor writes the log, and queries read it. Which runs a process has to replay
//! depends on whether it is forked from the checkpoint or from the zygote. So the log also records
//! whether there is a checkpoint, and [`basis`](ReplayLog::basis) reads both under one lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use vmcontrol::runtime::{RunMode, RunRequest};

use crate::clock::SLOWDOWN;
use crate::ipc::LoggedRun;

/// How many runs a checkpoint may lack. A checkpoint for every sixty-fourth run costs each run less
/// than its log entry does.
const MAX_RUNS: usize = 64;

/// The largest size of the texts and inputs of those runs together, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The longest CPU time that those runs took together. Roll-backs and answers to queries are
/// delayed by about as much.
const MAX_TIME: Duration = Duration::from_millis(10 * SLOWDOWN);

/// The factor by which a complete log may exceed [`MAX_RUNS`] and [`MAX_TIME`] when a checkpoint is
/// made.
const MAX_HISTORY: u32 = 10;

/// The replay log of a session.
#[derive(Debug)]
pub(crate) struct ReplayLog {
    log: Mutex<Log>,
    /// Whether the session has a checkpoint. It is changed only while `log` is locked.
    has_checkpoint: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Log {
    runs: Vec<Arc<LoggedRun>>,
    /// How many of `runs` the checkpoint holds; 0 if there is no checkpoint.
    held: usize,
    /// The size of all runs.
    all: Size,
    /// The size of the runs that the checkpoint lacks.
    missing: Size,
}

#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    time: Duration,
}

/// What a process with the session's committed state is forked from, and the runs that it has to
/// replay.
#[derive(Debug)]
pub(crate) enum Basis {
    /// A fork of the checkpoint.
    Checkpoint(Vec<Arc<LoggedRun>>),
    /// A fork of the zygote, set up with the session's seed. There is no checkpoint, and the log is
    /// complete.
    Seed(Vec<Arc<LoggedRun>>),
}

impl Default for ReplayLog {
    fn default() -> Self {
        Self {
            log: Mutex::default(),
            has_checkpoint: watch::Sender::new(false),
        }
    }
}

impl ReplayLog {
    /// Whether the log has room for a run with this request.
    pub(crate) fn has_room_for(&self, request: &RunRequest) -> bool {
        let log = self.lock();
        log.runs.len() - log.held < MAX_RUNS
            && log.missing.time < MAX_TIME
            && log.missing.bytes.saturating_add(bytes_of(request)) <= MAX_BYTES
    }

    /// Adds a run that took this much CPU time.
    pub(crate) fn add(&self, run: LoggedRun, took: Duration) {
        let mut log = self.lock();
        let bytes = bytes_of(&run.request) + size_of_val(&*run.trace.inputs);
        log.all.add(bytes, took);
        log.missing.add(bytes, took);
        log.runs.push(Arc::new(run));
    }

    /// Records that there is a checkpoint that holds `commits` runs. Returns whether the log is
    /// complete: whether it has every run that the session ever committed.
    pub(crate) fn note_checkpoint(&self, commits: u64) -> bool {
        let mut log = self.lock();
        self.set_has_checkpoint(true);
        let is_complete = log.runs.len() as u64 == commits;
        let is_small = log.all.bytes <= MAX_BYTES
            && log.all.time <= MAX_TIME * MAX_HISTORY
            && log.runs.len() <= MAX_RUNS * MAX_HISTORY as usize;
        if is_complete && is_small {
            log.held = log.runs.len();
            log.missing = Size::default();
        } else {
            *log = Log::default();
        }
        is_complete && is_small
    }

    /// Records that the session has no checkpoint any more.
    pub(crate) fn note_loss_of_checkpoint(&self) {
        let mut log = self.lock();
        self.set_has_checkpoint(false);
        log.held = 0;
    }

    /// Sets the value. Its receivers are woken only if it changes.
    fn set_has_checkpoint(&self, has_checkpoint: bool) {
        let set = |has: &mut bool| std::mem::replace(has, has_checkpoint) != has_checkpoint;
        self.has_checkpoint.send_if_modified(set);
    }

    /// The runs that the checkpoint lacks; all runs if there is no checkpoint.
    pub(crate) fn missing_runs(&self) -> Vec<Arc<LoggedRun>> {
        self.lock().missing_runs()
    }

    /// What a process with the committed state is forked from, and which runs it has to replay.
    pub(crate) fn basis(&self) -> Basis {
        let log = self.lock();
        let missing = log.missing_runs();
        if *self.has_checkpoint.borrow() {
            Basis::Checkpoint(missing)
        } else {
            Basis::Seed(missing)
        }
    }

    /// Waits until the session has no checkpoint.
    pub(crate) async fn checkpoint_is_lost(&self) {
        let mut has_checkpoint = self.has_checkpoint.subscribe();
        // The wait can't fail, because the sender is in `self`.
        let _ = has_checkpoint.wait_for(|has| !*has).await;
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // A panic leaves no change half done here.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn missing_runs(&self) -> Vec<Arc<LoggedRun>> {
        self.runs[self.held..].to_vec()
    }
}

impl Size {
    fn add(&mut self, bytes: usize, time: Duration) {
        self.bytes += bytes;
        self.time += time;
    }
}

/// The size of a run's texts, in bytes.
fn bytes_of(request: &RunRequest) -> usize {
    let more = match &request.mode {
        RunMode::File { args, env } => args.get().len() + env.get().len(),
        RunMode::Repl | RunMode::Startup | RunMode::Module => 0,
    };
    request.source.len() + request.name.len() + more
}

#[cfg(test)]
mod tests {
    use vmapi_types::Limits;

    use super::*;
    use crate::ipc::Trace;

    fn request(source: &str) -> RunRequest {
        RunRequest {
            source: source.into(),
            name: "repl".into(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        }
    }

    fn add(log: &ReplayLog, commits: u64, source: &str, took: Duration) {
        let request = request(source);
        let run = LoggedRun {
            commits,
            request: Arc::new(request),
            trace: Trace::default(),
        };
        log.add(run, took);
    }

    #[test]
    fn it_is_bounded_in_number_time_and_bytes() {
        let (many, long, large) = (
            ReplayLog::default(),
            ReplayLog::default(),
            ReplayLog::default(),
        );
        for commits in 1..=MAX_RUNS as u64 {
            assert!(many.has_room_for(&request("1")));
            add(&many, commits, "1", Duration::ZERO);
        }
        assert!(!many.has_room_for(&request("1")));
        add(&long, 1, "1", MAX_TIME);
        assert!(!long.has_room_for(&request("1")));
        add(&large, 1, &" ".repeat(MAX_BYTES - 10), Duration::ZERO);
        assert!(large.has_room_for(&request("1")));
        assert!(!large.has_room_for(&request("1 + 1 + 1")));
        many.note_checkpoint(MAX_RUNS as u64);
        assert!(many.has_room_for(&request("1")));
        assert!(many.missing_runs().is_empty());
    }

    #[test]
    fn it_stays_complete_over_checkpoints_that_hold_nothing_else() {
        let log = ReplayLog::default();
        assert!(log.note_checkpoint(0));
        add(&log, 1, "1", Duration::ZERO);
        add(&log, 2, "2", Duration::ZERO);
        assert!(log.note_checkpoint(2));
        assert!(log.missing_runs().is_empty());
        add(&log, 3, "3", Duration::ZERO);
        assert_eq!(log.missing_runs().len(), 1);
        log.note_loss_of_checkpoint();
        let commits: Vec<_> = log.missing_runs().iter().map(|run| run.commits).collect();
        assert_eq!(commits, [1, 2, 3]);
        // The checkpoint holds a run that the log does not have.
        assert!(!log.note_checkpoint(4));
        assert!(log.missing_runs().is_empty());
        add(&log, 5, "5", Duration::ZERO);
        assert!(!log.note_checkpoint(5));
    }

    #[test]
    fn a_log_that_has_become_large_is_emptied_at_a_checkpoint() {
        let log = ReplayLog::default();
        let text = " ".repeat(MAX_BYTES / 2);
        add(&log, 1, &text, Duration::ZERO);
        assert!(log.note_checkpoint(1));
        add(&log, 2, &text, Duration::ZERO);
        assert!(!log.note_checkpoint(2));
        let slow = ReplayLog::default();
        add(&slow, 1, "1", MAX_TIME * MAX_HISTORY);
        assert!(slow.note_checkpoint(1));
        add(&slow, 2, "1", Duration::from_millis(1));
        assert!(!slow.note_checkpoint(2));
    }

    fn commits_of(runs: &[Arc<LoggedRun>]) -> Vec<u64> {
        runs.iter().map(|run| run.commits).collect()
    }

    #[tokio::test]
    async fn a_state_is_made_of_the_seed_and_all_runs_until_there_is_a_checkpoint() {
        let log = ReplayLog::default();
        log.checkpoint_is_lost().await;
        add(&log, 1, "1", Duration::ZERO);
        assert!(matches!(log.basis(), Basis::Seed(runs) if commits_of(&runs) == [1]));
        log.note_checkpoint(1);
        add(&log, 2, "2", Duration::ZERO);
        assert!(matches!(log.basis(), Basis::Checkpoint(runs) if commits_of(&runs) == [2]));
        log.note_loss_of_checkpoint();
        log.checkpoint_is_lost().await;
        assert!(matches!(log.basis(), Basis::Seed(runs) if commits_of(&runs) == [1, 2]));
    }
}
