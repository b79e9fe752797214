//! A process that answers one question about a session and ends.

use std::os::fd::OwnedFd;

use super::link::Link;
use super::memory::allocator;
use super::{exit, limits, process, replay};
use crate::engine::Engine;
use crate::ipc::worker_end::Channel;
use crate::ipc::{FromQuery, LoggedRun, MAX_TO_SESSION_BYTES, QueryRequest};
use vmapi_types::Limits;

/// How long an answer may take, in milliseconds.
const WALL_MS: u64 = 2_000;

/// How much CPU time it may take, in milliseconds.
const CPU_MS: u64 = 1_000;

/// What a process that answers takes of the session process that it was forked from.
pub(super) struct OfSession<'a> {
    pub(super) link: &'a Link,
    pub(super) channel: &'a Channel,
    pub(super) limits: &'a Limits,
    /// How many runs its state holds.
    pub(super) commits: u64,
}

/// By how much the heap may grow for an answer, in bytes; within the session's own limit.
const MAX_GROWTH_BYTES: usize = 32 * 1024 * 1024;

/// Takes the question from the socket, answers it there, and ends. What scripts print meanwhile is not heard, and they
/// reach no host module.
pub(super) fn answer(
    engine: &mut dyn Engine,
    of_session: &OfSession<'_>,
    socket: OwnedFd,
    name: &str,
) -> ! {
    process::set_name(name);
    let link = of_session.link;
    link.detach();
    engine.reseed();
    let bounds = Limits {
        wall_ms: WALL_MS,
        cpu_ms: CPU_MS,
        max_events: u64::MAX,
        max_output_kb: u64::MAX,
        ..Limits::default()
    };
    let channel = of_session.channel.another(socket, MAX_TO_SESSION_BYTES);
    let pid = process::own_pid();
    // Without clocks nothing is run; the daemon tries again when it hears nothing.
    if limits::start_clocks(&bounds).is_ok()
        && let Ok(Some(asked)) = channel.receive::<QueryRequest>()
        && LoggedRun::go_on_from(&asked.message.replay, of_session.commits)
        && channel.send(&FromQuery::Began { pid }).is_ok()
    {
        let QueryRequest { replay: log, query } = asked.message;
        let mut commits = of_session.commits;
        if replay::replay(engine, link, &log, of_session.limits, &mut commits).is_ok() {
            link.begin(bounds, &[]);
            allocator::limit_further(MAX_GROWTH_BYTES);
            let sight = engine.query(&query);
            // Whoever asked may have gone.
            let _ = channel.send(&FromQuery::Seen(sight));
        }
    }
    exit::now(exit::DONE)
}
