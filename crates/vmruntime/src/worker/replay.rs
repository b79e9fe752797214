//! Running once more what a session has committed without a checkpoint.
//!
//! A checkpoint costs a fork, a page copied for each that the next run writes to, and the end of the checkpoint before: more
//! than most runs take. A run that asks nobody outside its session but for a few numbers (the time, chance) comes to the same
//! whenever it is run in the same state and told these numbers. So a short one needs no checkpoint: the daemon keeps its text
//! and what it learnt, and has it run once more by whoever is to be the session process, or answers a question, and is behind.

use std::sync::Arc;
use std::time::Duration;

use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, Usage};

use super::limits;
use super::link::Link;
use crate::clock::SLOWDOWN;
use crate::engine::{Deadlock, Engine, Evaluation};
use crate::ipc::LoggedRun;

/// How much processor time a run may take that is to be run once more, in microseconds: some times of what a checkpoint takes.
const MAX_CPU_US: u64 = 2_000 * SLOWDOWN;

/// How long it may take by the clock on the wall. A run that waits its turn for a processor is none that takes long; one that
/// waits for something (`Atomics.wait`) would do so again.
const MAX_WALL: Duration = Duration::from_millis(20 * SLOWDOWN);

/// By how much it may make the heap grow, in bytes: well below what has garbage collected in the middle of a run.
const MAX_GROWTH_BYTES: u64 = 512 * 1024;

/// A run came to another end.
#[derive(Debug, thiserror::Error)]
#[error("run {commits} came to another end")]
pub(super) struct ReplayDiverged {
    commits: u64,
}

/// Whether a run took so little time and memory that it may be run once more, and will have room then, too. Before it the
/// session's heap was of `heap_before` bytes.
pub(super) fn is_cheap(usage: &Usage, wall: Duration, heap_before: u64, limits: &Limits) -> bool {
    let peak = usage.peak_mem_bytes;
    usage.cpu_us <= MAX_CPU_US
        && wall <= MAX_WALL
        && peak.saturating_sub(heap_before) <= MAX_GROWTH_BYTES
        && peak.saturating_add(MAX_GROWTH_BYTES) <= limits::heap_bytes(limits) as u64
}

/// Runs a script with room for its heap as its limits say. Both the first time and once more, with what it learnt then.
pub(super) fn evaluate(
    engine: &mut dyn Engine,
    link: &Link,
    request: &RunRequest,
    of_session: &Limits,
    inputs: &[u64],
) -> Result<Evaluation, Deadlock> {
    link.begin(request.limits, inputs);
    limits::bound_heap(&request.limits);
    let evaluation = engine.evaluate(request);
    // What comes between executions, and the next request itself, is not this execution's.
    limits::bound_heap(of_session);
    evaluation
}

/// Brings the state up to the end of the log. `commits` is how many runs it holds.
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
        let came_to = end.ok().and_then(|end| link.trace(&end));
        if came_to.as_ref() != Some(trace) {
            let commits = logged.commits;
            return Err(ReplayDiverged { commits });
        }
        *commits = logged.commits;
    }
    Ok(())
}
