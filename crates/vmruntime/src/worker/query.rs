//! A process that answers one query about a session and ends.
//!
//! There are two kinds: a fork of a checkpoint, which takes the query from a socket of its own;
//! and, for a session without a checkpoint, a fork of the zygote that is set up as the session was.
//! Both replay what their state lacks and then answer. Events of scripts are dropped meanwhile, and
//! no call reaches a host module.

use vmapi_types::Limits;

use super::link::Link;
use super::memory::allocator;
use super::{exit, limits, process, replay};
use crate::engine::Engine;
use crate::ipc::worker_end::Channel;
use crate::ipc::{ExitCause, FromQuery, LoggedRun, QueryRequest};

/// How long an answer may take, in milliseconds.
const WALL_MS: u64 = 2_000;

/// How much CPU time it may take, in milliseconds.
const CPU_MS: u64 = 1_000;

/// By how much the heap may grow for an answer, in bytes; within the session's own limit.
const MAX_GROWTH_BYTES: usize = 32 * 1024 * 1024;

/// A process that has become one that answers a query.
pub(super) struct QueryProcess<'a> {
    pub(super) engine: &'a mut dyn Engine,
    pub(super) link: &'a Link,
    /// The session's own limits.
    pub(super) limits: &'a Limits,
    /// How many runs the state holds.
    pub(super) commits: u64,
}

/// What bounds an answer.
fn bounds() -> Limits {
    Limits {
        wall_ms: WALL_MS,
        cpu_ms: CPU_MS,
        max_events: u64::MAX,
        max_output_kb: u64::MAX,
        ..Limits::default()
    }
}

/// Makes this a process that answers a query: it takes a name, is cut off from host modules, and
/// its clocks start. Without clocks it ends, and the daemon forks another.
pub(super) fn begin(link: &Link, name: &str) {
    exit::be_disposable();
    process::set_name(name);
    link.detach();
    if limits::start_clocks(&bounds()).is_err() {
        exit::now(ExitCause::Done);
    }
}

impl QueryProcess<'_> {
    /// Answers the query that arrives on the channel, and ends.
    pub(super) fn answer_next(self, channel: &Channel) -> ! {
        if let Ok(Some(received)) = channel.receive::<QueryRequest>() {
            self.answer(channel, received.message);
        }
        exit::now(ExitCause::Done)
    }

    /// Answers a query on the channel, and ends. If the log does not begin where this state ends,
    /// the process ends without a message, and the daemon asks again.
    pub(super) fn answer(self, channel: &Channel, request: QueryRequest) -> ! {
        let Self {
            engine,
            link,
            limits,
            mut commits,
        } = self;
        let QueryRequest { replay: log, query } = request;
        let pid = process::own_pid();
        engine.reseed();
        if LoggedRun::go_on_from(&log, commits)
            && channel.send(&FromQuery::Began { pid }).is_ok()
            && replay::replay(engine, link, &log, limits, &mut commits).is_ok()
        {
            link.begin(bounds(), &[]);
            allocator::limit_further(MAX_GROWTH_BYTES);
            let result = engine.query(&query);
            // The daemon may not wait for it any more.
            let _ = channel.send(&FromQuery::Answered(result));
        }
        exit::now(ExitCause::Done)
    }
}
