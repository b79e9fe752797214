//! What a session has committed since its checkpoint.
//!
//! A short run that comes to the same whenever it is run in the same state and told the same needs no checkpoint: it is kept here, and run once
//! more by whoever becomes the session process, or answers a question, in a state that is behind (`worker/redo.rs`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vmcontrol::runtime::{RunMode, RunRequest};

use crate::clock::SLOWDOWN;
use crate::protocol::Logged;

/// How many runs are kept: a checkpoint for each sixty-fourth costs each run less than writing its log does.
const MAX_RUNS: usize = 64;

/// The most that their texts, and what they learnt, may be together, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// What they may have taken together: by that much an execution that is rolled back, and an answer to a question, may be later.
const MAX_TIME: Duration = Duration::from_millis(10 * SLOWDOWN);

/// The runs of a session that its newest checkpoint does not hold, in their order. The session's actor writes it; whoever
/// asks the session something reads it.
#[derive(Debug, Default)]
pub(super) struct RedoLog(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    runs: Vec<Arc<Logged>>,
    bytes: usize,
    time: Duration,
}

impl RedoLog {
    /// Whether a run may be added.
    pub(super) fn has_room_for(&self, request: &RunRequest) -> bool {
        let log = self.lock();
        log.runs.len() < MAX_RUNS
            && log.time < MAX_TIME
            && log.bytes.saturating_add(bytes_of(request)) <= MAX_BYTES
    }

    /// Adds a run that took so long.
    pub(super) fn add(&self, run: Logged, took: Duration) {
        let mut log = self.lock();
        log.bytes += bytes_of(&run.request) + size_of_val(&*run.recording.learnt);
        log.time += took;
        log.runs.push(Arc::new(run));
    }

    /// Forgets all runs: a checkpoint holds them.
    pub(super) fn clear(&self) {
        *self.lock() = Log::default();
    }

    /// The runs.
    pub(super) fn runs(&self) -> Vec<Arc<Logged>> {
        self.lock().runs.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // Whoever panicked has not left it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::protocol::Recording;

    fn request(source: &str) -> RunRequest {
        RunRequest {
            source: source.into(),
            name: "repl".into(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        }
    }

    fn add(log: &RedoLog, commits: u64, source: &str, took: Duration) {
        let request = request(source);
        let run = Logged {
            commits,
            request,
            recording: Recording::default(),
        };
        log.add(run, took);
    }

    #[test]
    fn it_is_bounded_in_number_time_and_bytes() {
        let (many, long, large) = (RedoLog::default(), RedoLog::default(), RedoLog::default());
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
        many.clear();
        assert!(many.has_room_for(&request("1")));
        assert!(many.runs().is_empty());
    }
}
