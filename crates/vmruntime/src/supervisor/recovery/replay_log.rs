//! What a session has committed since its checkpoint.
//!
//! A short run that comes to the same whenever it is run in the same state and told the same needs no checkpoint: it is kept here, and run once
//! more by whoever becomes the session process, or answers a question, in a state that is behind (`worker/redo.rs`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vmcontrol::runtime::{RunMode, RunRequest};

use crate::clock::SLOWDOWN;
use crate::ipc::LoggedRun;

/// How many runs are kept: a checkpoint for each sixty-fourth costs each run less than writing its log does.
const MAX_RUNS: usize = 64;

/// The most that their texts, and what they learnt, may be together, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// What they may have taken together: by that much an execution that is rolled back, and an answer to a question, may be later.
const MAX_TIME: Duration = Duration::from_millis(10 * SLOWDOWN);

/// How many runs, and how much time in all of them, a log may have that goes on over checkpoints, as a multiple of the above.
const MAX_HISTORY: u32 = 10;

/// The runs of a session that its newest checkpoint does not hold, in their order; as long as that is not much, also those that
/// it holds: with all of them the session can be made once more when its checkpoint is lost. The session's actor writes it;
/// whoever asks the session something reads it.
#[derive(Debug, Default)]
pub(crate) struct ReplayLog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    runs: Vec<Arc<LoggedRun>>,
    /// How many of them the checkpoint holds.
    held: usize,
    /// What they are together.
    all: Size,
    /// What those are that the checkpoint does not hold.
    missing: Size,
}

#[derive(Debug, Default)]
struct Size {
    bytes: usize,
    time: Duration,
}

impl ReplayLog {
    /// Whether a run may be added.
    pub(crate) fn has_room_for(&self, request: &RunRequest) -> bool {
        let log = self.lock();
        log.runs.len() - log.held < MAX_RUNS
            && log.missing.time < MAX_TIME
            && log.missing.bytes.saturating_add(bytes_of(request)) <= MAX_BYTES
    }

    /// Adds a run that took so long.
    pub(crate) fn add(&self, run: LoggedRun, took: Duration) {
        let mut log = self.lock();
        let bytes = bytes_of(&run.request) + size_of_val(&*run.trace.inputs);
        log.all.add(bytes, took);
        log.missing.add(bytes, took);
        log.runs.push(Arc::new(run));
    }

    /// Notes that there is a checkpoint with so many runs. Says whether the log is complete: whether it has all that the session
    /// ever committed.
    pub(crate) fn note_checkpoint(&self, commits: u64) -> bool {
        let mut log = self.lock();
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

    /// Notes that there is no checkpoint any more.
    pub(crate) fn note_loss_of_checkpoint(&self) {
        self.lock().held = 0;
    }

    /// The runs that the checkpoint does not hold.
    pub(crate) fn runs(&self) -> Vec<Arc<LoggedRun>> {
        let log = self.lock();
        log.runs[log.held..].to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Whoever panicked has not left it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Size {
    fn add(&mut self, bytes: usize, time: Duration) {
        self.bytes += bytes;
        self.time += time;
    }
}

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
            request,
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
        assert!(many.runs().is_empty());
    }

    #[test]
    fn it_stays_complete_over_checkpoints_that_hold_nothing_else() {
        let log = ReplayLog::default();
        assert!(log.note_checkpoint(0));
        add(&log, 1, "1", Duration::ZERO);
        add(&log, 2, "2", Duration::ZERO);
        assert!(log.note_checkpoint(2));
        assert!(log.runs().is_empty());
        add(&log, 3, "3", Duration::ZERO);
        assert_eq!(log.runs().len(), 1);
        log.note_loss_of_checkpoint();
        let commits: Vec<_> = log.runs().iter().map(|run| run.commits).collect();
        assert_eq!(commits, [1, 2, 3]);
        // A run that it does not have.
        assert!(!log.note_checkpoint(4));
        assert!(log.runs().is_empty());
        add(&log, 5, "5", Duration::ZERO);
        assert!(!log.note_checkpoint(5));
    }

    #[test]
    fn it_does_not_grow_over_checkpoints_without_end() {
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
}
