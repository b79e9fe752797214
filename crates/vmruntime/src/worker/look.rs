//! A process that answers one question about a session and ends.

use std::os::fd::OwnedFd;

use vmapi_types::Limits;
use vmcontrol::runtime::Look;

use super::channel::Channel;
use super::link::Link;
use super::{allocator, exit, limits, process};
use crate::engine::Engine;
use crate::protocol::{FromLook, MAX_TO_SESSION_BYTES};

/// How long an answer may take, in milliseconds.
const WALL_MS: u64 = 2_000;

/// How much CPU time it may take, in milliseconds.
const CPU_MS: u64 = 1_000;

/// By how much the heap may grow for an answer, in bytes; within the session's own limit.
const MAX_GROWTH_BYTES: usize = 32 * 1024 * 1024;

/// Takes the question from the socket, answers it there, and ends. What scripts print meanwhile is not heard, and they
/// reach no host module.
pub(super) fn answer(
    engine: &mut dyn Engine,
    link: &Link,
    of_session: &Channel,
    socket: OwnedFd,
    name: &str,
) -> ! {
    process::set_name(name);
    link.detach();
    engine.reseed();
    let bounds = Limits {
        wall_ms: WALL_MS,
        cpu_ms: CPU_MS,
        max_events: u64::MAX,
        max_output_kb: u64::MAX,
        ..Limits::default()
    };
    link.begin(bounds);
    allocator::limit_further(MAX_GROWTH_BYTES);
    let channel = of_session.another(socket, MAX_TO_SESSION_BYTES);
    // Without clocks nothing is run; the daemon tries again when it hears nothing.
    if limits::start_clocks(&bounds).is_ok()
        && let Ok(Some(asked)) = channel.receive::<Look>()
        && channel
            .send(&FromLook::Began {
                pid: process::own_pid(),
            })
            .is_ok()
    {
        let sight = engine.look(&asked.message);
        // Whoever asked may have gone.
        let _ = channel.send(&FromLook::Seen(sight));
    }
    exit::now(exit::DONE)
}
