//! Replaying runs that a session has committed without a checkpoint.
//!
//! A checkpoint costs a fork, a copy of each page that the next run writes to, and the end of the
//! checkpoint before: more than most runs take. But a run whose only inputs from outside its
//! session are a few numbers (times, random numbers) has the same effect whenever it is run in the
//! same state with the same numbers. So a short run of that kind needs no checkpoint. The session
//! process says at its end what its inputs were, with a digest of its events and its result: its
//! [`Trace`](crate::ipc::Trace). The daemon adds text and trace to the session's replay log, and
//! that is the commit.
//!
//! # Who replays
//!
//! - a checkpoint that was promoted and is behind what the session has committed,
//! - a process that was forked from the zygote for a session that has lost its process and has no
//!   checkpoint,
//! - a process that answers one query: a fork of the checkpoint, or, as long as there is no
//!   checkpoint, one of the zygote.
//!
//! Each is sent the runs that its state may lack and skips those that it holds, which their number
//! tells ([`LoggedRun::commits`]).
//!
//! # Why the state is the session's
//!
//! - Everything that an engine takes from outside goes through
//!   [`HostLink`](crate::engine::HostLink): a number by `record_input`, which a replay is given
//!   again; everything else by `mark_nondeterministic`, after which the run has no trace and gets a
//!   checkpoint. Garbage collections that depend on the size of the heap are in the second class.
//! - A replay compares its own trace with the recorded one after each run. If they differ the process
//!   ends ([`ExitCause::ReplayDiverged`](crate::ipc::ExitCause)) rather than go on with another
//!   state.
//! - While a process replays, its link is detached: events are dropped, and no call reaches a host
//!   module.
//! - A replay has the same limits as the first time, so that no run ends otherwise for want of
//!   memory. It has no clocks: the daemon bounds the time of all replays together.

use std::sync::Arc;
use std::time::Duration;

use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, Usage};

use super::limits;
use super::link::Link;
use crate::clock::SLOWDOWN;
use crate::engine::{Deadlock, Engine, Evaluation};
use crate::ipc::LoggedRun;

/// How much processor time a run may take that goes to the replay log, in microseconds: a few times
/// what a checkpoint takes.
const MAX_CPU_US: u64 = 2_000 * SLOWDOWN;

/// How long such a run may take by the wall clock. A run that only waits for a processor takes
/// less; one that waits for something (`Atomics.wait`) would wait again in a replay.
const MAX_WALL: Duration = Duration::from_millis(20 * SLOWDOWN);

/// By how much such a run may make the heap grow, in bytes: well below the growth at which garbage
/// is collected in the middle of a run.
const MAX_GROWTH_BYTES: u64 = 512 * 1024;

/// A replayed run had another trace than the first time.
#[derive(Debug, thiserror::Error)]
#[error("run {commits} came to another end")]
pub(super) struct ReplayDiverged {
    /// How many runs the state should have held with that run.
    commits: u64,
}

/// Whether a run took so little time and memory that it may be replayed, and will have room for its
/// heap then, too. `heap_before` is the size of the session's heap before the run, in bytes.
pub(super) fn is_cheap(usage: &Usage, wall: Duration, heap_before: u64, limits: &Limits) -> bool {
    let peak = usage.peak_mem_bytes;
    usage.cpu_us <= MAX_CPU_US
        && wall <= MAX_WALL
        && peak.saturating_sub(heap_before) <= MAX_GROWTH_BYTES
        && peak.saturating_add(MAX_GROWTH_BYTES) <= limits::heap_bytes(limits) as u64
}

/// Runs a script with the heap that its limits allow, for the first time or in a replay. In a
/// replay `recorded` holds the inputs of the first time.
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
    // The memory between executions, and that of the next request, does not count as this
    // execution's.
    limits::bound_heap(of_session);
    evaluation
}

/// Brings the state to the end of the log. `commits` is how many runs the state holds, and is kept
/// up to date.
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
