//! Replay: running again what a session has committed without a checkpoint.
//!
//! A checkpoint costs a fork, a copy of each page that the next run writes to, and the end of the
//! previous checkpoint: more than most runs take. But a run whose only inputs from outside its
//! session are a few numbers (times, random numbers) has the same effect whenever it runs in the
//! same state with the same numbers. So a short run of that kind needs no checkpoint. When it ends,
//! the session process sends its inputs and a digest of its events and its result: its
//! [`Trace`](crate::ipc::Trace). The daemon adds the run's text and trace to the session's replay
//! log, and that is the commit.
//!
//! # Which processes replay
//!
//! - a promoted checkpoint that lacks committed runs,
//! - a process that the zygote forked for a session that has lost its process and has no
//!   checkpoint,
//! - a query process: a fork of the checkpoint, or of the zygote as long as there is no checkpoint.
//!
//! Each is sent the runs that its state may lack. Each run carries the number of commits with it
//! ([`LoggedRun::commits`]), and a process skips those that its state holds.
//!
//! # Why the state is the same
//!
//! - Every input of an engine goes through [`HostLink`](crate::engine::HostLink): a number by
//!   `record_input`, which a replay returns again; anything else calls `mark_nondeterministic`,
//!   after which the run has no trace and gets a checkpoint. Garbage collections that depend on the
//!   size of the heap are of the second kind.
//! - After each run a replay compares its own trace with the recorded one. If they differ, the
//!   process ends ([`ExitCause::ReplayDiverged`](crate::ipc::ExitCause)) instead of continuing with
//!   another state.
//! - While a process replays, its link is detached: events are dropped, and no call reaches a host
//!   module.
//! - A replay has the memory limit of the first run, and only runs that stayed well below it are
//!   logged ([`is_cheap`]), so that no replayed run fails for want of memory.
//! - A replay has no timers of its own, which could cut a run short. The daemon bounds the time of
//!   a respawn; a query process has one pair of timers for everything that it does.

use std::sync::Arc;
use std::time::Duration;

use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, Usage};

use super::limits;
use super::link::Link;
use crate::clock::SLOWDOWN;
use crate::engine::{Deadlock, Engine, Evaluation};
use crate::ipc::LoggedRun;

/// The most CPU time of a run that goes to the replay log, in microseconds. It is a few times what
/// a checkpoint takes.
const MAX_CPU_US: u64 = 2_000 * SLOWDOWN;

/// The longest wall time of such a run. A run that only waits for a processor takes less; a run
/// that waits for something else (`Atomics.wait`) would wait again in a replay.
const MAX_WALL: Duration = Duration::from_millis(20 * SLOWDOWN);

/// The largest growth of the heap in such a run, in bytes. It is well below the growth at which
/// garbage is collected in the middle of a run.
const MAX_GROWTH_BYTES: u64 = 512 * 1024;

/// A replayed run had another trace than its first run.
#[derive(Debug, thiserror::Error)]
#[error("the replay of run {commits} had another trace than its first run")]
pub(super) struct ReplayDiverged {
    /// The number of the run: how many runs the state would have held with it.
    commits: u64,
}

/// Whether a run took so little time and memory that it may be replayed, and left enough memory
/// below its limit that a replay will not pass it. `heap_before` is the size of the session's heap
/// before the run, in bytes.
pub(super) fn is_cheap(usage: &Usage, wall: Duration, heap_before: u64, limits: &Limits) -> bool {
    let peak = usage.peak_mem_bytes;
    usage.cpu_us <= MAX_CPU_US
        && wall <= MAX_WALL
        && peak.saturating_sub(heap_before) <= MAX_GROWTH_BYTES
        && peak.saturating_add(MAX_GROWTH_BYTES) <= limits::heap_bytes(limits) as u64
}

/// Runs a script, for the first time or in a replay, with the heap that its limits allow. In a
/// replay, `recorded` holds the inputs of the first run; otherwise it is empty.
pub(super) fn evaluate(
    engine: &mut dyn Engine,
    link: &Link,
    request: &RunRequest,
    of_session: &Limits,
    recorded: &[u64],
) -> Result<Evaluation, Deadlock> {
    link.begin(request.limits, recorded);
    limits::bound_heap(&request.limits);
    let evaluation = engine.evaluate(request);
    // The memory of the next request does not count as this execution's.
    limits::bound_heap(of_session);
    evaluation
}

/// Replays the runs of the log that the state lacks. `commits` is the number of runs that the state
/// holds, and is updated after each run.
pub(super) fn replay(
    engine: &mut dyn Engine,
    link: &Link,
    log: &[Arc<LoggedRun>],
    of_session: &Limits,
    commits: &mut u64,
) -> Result<(), ReplayDiverged> {
    let held = *commits;
    for logged in log.iter().filter(|logged| logged.commits > held) {
        let LoggedRun { request, trace, .. } = &**logged;
        let end = evaluate(engine, link, request, of_session, &trace.inputs);
        let replayed = end.ok().and_then(|end| link.trace(&end));
        if replayed.as_ref() != Some(trace) {
            let commits = logged.commits;
            return Err(ReplayDiverged { commits });
        }
        *commits = logged.commits;
    }
    Ok(())
}
