//! The query process: it answers one query about a session and ends.
//!
//! There are two kinds: a fork of a checkpoint, which reads the query from a socket of its own;
//! and, for a session without a checkpoint, a fork of the zygote that is set up as the session was.
//! Both replay the runs that their state lacks and then answer. Events of scripts are dropped in
//! such a process, and no call reaches a host module.

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

/// By how much the heap may grow for an answer, in bytes. The session's own limit holds as well.
const MAX_GROWTH_BYTES: usize = 32 * 1024 * 1024;

/// The state of a query process.
pub(super) struct QueryProcess<'a> {
    pub(super) engine: &'a mut dyn Engine,
    pub(super) link: &'a Link,
    /// The session's own limits.
    pub(super) limits: &'a Limits,
    /// How many runs the state holds.
    pub(super) commits: u64,
}

/// The limits of an answer.
fn bounds() -> Limits {
    Limits {
        wall_ms: WALL_MS,
        cpu_ms: CPU_MS,
        max_events: u64::MAX,
        max_output_kb: u64::MAX,
        ..Limits::default()
    }
}

/// Makes this process a query process: sets its name, detaches it from host modules and starts its
/// timers. If the timers can't be set, the process ends, and the daemon asks again.
pub(super) fn begin(link: &Link, name: &str) {
    exit::be_disposable();
    process::set_name(name);
    link.detach();
    if limits::start_clocks(&bounds()).is_err() {
        exit::now(ExitCause::Done);
    }
}

impl QueryProcess<'_> {
    /// Answers the query that arrives on the channel, and ends the process.
    pub(super) fn answer_next(self, channel: &Channel) -> ! {
        if let Ok(Some(received)) = channel.receive::<QueryRequest>() {
            self.answer(channel, received.message);
        }
        exit::now(ExitCause::Done)
    }

    /// Answers a query on the channel, and ends the process. If the log does not continue from this
    /// state, the process ends without a message, and the daemon asks again.
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
            // A failure is ignored: the daemon may not wait for the answer any more.
            let _ = channel.send(&FromQuery::Answered(result));
        }
        exit::now(ExitCause::Done)
    }
}
