//! The session process: it runs scripts, and commits each with a checkpoint or by an entry in the
//! replay log. A promoted checkpoint continues here as the session process of the next generation.
//!
//! A session has no checkpoint before it needs one: until then its state can be rebuilt by another
//! fork of the zygote, with the same set-up and the replay log. A query process that answers a
//! query about such a session also begins here.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nix::unistd::Pid;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, Usage};

use super::checkpoint::{self, Checkpoint, Names, Role};
use super::link::Link;
use super::memory::allocator;
use super::post_mortem::{self, PostMortemPage};
use super::query::{self, QueryProcess};
use super::sandbox::Confinement;
use super::{exit, limits, process, replay};
use crate::engine::{Engine, Evaluation};
use crate::ipc::worker_end::Channel;
use crate::ipc::{
    ExitCause, FromSession, LoggedRun, MAX_TO_SESSION_BYTES, QueryRequest, SessionSetup, ToSession,
};

/// Garbage is collected after a run when the heap has grown by this part of itself: a quarter.
const COLLECT_AFTER_PART: usize = 4;

/// By how much the heap must have grown at least before garbage is collected, in bytes.
const COLLECT_AFTER_BYTES: usize = 256 * 1024;

/// The state of a session process, copied by every fork.
pub(super) struct Session {
    engine: Box<dyn Engine>,
    link: Rc<Link>,
    channel: Rc<Channel>,
    page: &'static PostMortemPage,
    zygote: Pid,
    confinement: Rc<Confinement>,
    /// The last part of the names of the session's processes; empty before the set-up.
    tag: String,
    generation: u32,
    /// How many committed runs the heap holds.
    commits: u64,
    /// The current checkpoint; `None` until the session needs one.
    checkpoint: Option<Checkpoint>,
    /// The socket from which checkpoints receive queries; `None` before the set-up.
    queries: Option<OwnedFd>,
    /// The session's own limits, which an execution may only lower.
    limits: Limits,
    /// Whether the process was confined before its session was known.
    is_confined: bool,
    /// The size of the heap after the last collection, in bytes.
    live_after_collection: usize,
}

/// What a session process starts with.
pub(super) struct Parts {
    pub(super) engine: Box<dyn Engine>,
    pub(super) link: Rc<Link>,
    pub(super) channel: Channel,
    pub(super) page: &'static PostMortemPage,
    pub(super) zygote: Pid,
    pub(super) confinement: Rc<Confinement>,
}

impl Session {
    /// Becomes the first session process.
    pub(super) fn start(parts: Parts) -> Self {
        let Parts {
            engine,
            link,
            channel,
            page,
            zygote,
            confinement,
        } = parts;
        let channel = Rc::new(channel);
        link.attach(Rc::clone(&channel));
        let mut session = Self {
            engine,
            link,
            channel,
            page,
            zygote,
            confinement,
            tag: String::new(),
            generation: 0,
            commits: 0,
            checkpoint: None,
            queries: None,
            limits: Limits::default(),
            is_confined: false,
            live_after_collection: allocator::live_bytes(),
        };
        session.enter_next_generation();
        session
    }

    /// Serves the daemon until it closes the channel.
    pub(super) fn serve(mut self) -> ! {
        loop {
            let received = match self.channel.receive::<ToSession>() {
                Ok(Some(received)) => received,
                Ok(None) => exit::now(ExitCause::Done),
                Err(error) => exit::noting(ExitCause::Channel, &error.to_string()),
            };
            if received.generation != self.generation {
                // The message is for an earlier generation, which has died.
                continue;
            }
            match received.message {
                ToSession::Setup(setup) => {
                    self.queries = received.fd;
                    self.set_up(&setup);
                }
                ToSession::Run {
                    run,
                    request,
                    may_log,
                } => self.run(run, &request, may_log),
                ToSession::Replay(log) => self.replay(&log),
                ToSession::RenewCheckpoint => self.commit(),
                ToSession::Query(setup, request) => self.answer(&setup, request),
                // The call was abandoned.
                ToSession::HostAnswer(_) => {}
            }
        }
    }

    /// Sets this process up for its session and reports that. Ends the process if that fails.
    fn set_up(&mut self, setup: &SessionSetup) {
        self.tag.clone_from(&setup.tag);
        self.set_name();
        let error = self.prepare(setup).err();
        let has_failed = error.is_some();
        self.send(&FromSession::Ready { error });
        if has_failed {
            // The process may not be confined.
            exit::now(ExitCause::Done)
        }
    }

    /// Configures the engine, the limit of the heap and the confinement for the session. The error
    /// is the text that the daemon reports.
    fn prepare(&mut self, setup: &SessionSetup) -> Result<(), String> {
        self.limits = setup.limits;
        let configured = self.engine.configure(setup);
        configured.map_err(|error| error.to_string())?;
        limits::bound_memory(&setup.limits);
        if self.is_confined {
            return Ok(());
        }
        let confined = self.confine(&setup.limits);
        confined.map_err(|error| error.to_string())
    }

    /// Confines this process before its session is known, so that the session does not have to wait
    /// for it. The process can then have no more memory than the default limit.
    pub(super) fn confine_ahead(&mut self) {
        if let Err(error) = self.confine(&Limits::default()) {
            exit::noting(
                ExitCause::Channel,
                &format!("it can't be confined: {error}"),
            );
        }
        self.is_confined = true;
    }

    fn confine(&self, limits: &Limits) -> io::Result<()> {
        limits::bound_mappings(limits)?;
        self.confinement.enter_session()
    }

    /// Runs a script, reports its end, and commits it.
    fn run(&mut self, run: u64, request: &RunRequest, may_log: bool) {
        self.send(&FromSession::Started { run });
        let limits = &request.limits;
        let cpu_before = limits::cpu_time_us();
        let heap_before = allocator::live_bytes().saturating_sub(allocator::base_bytes()) as u64;
        allocator::start_peak(post_mortem::begin_run(cpu_before, allocator::base_bytes()));
        let began = Instant::now();
        limits::start_clocks(limits).unwrap_or_else(|error| limits::no_timer(&error));
        let Ok(end) = replay::evaluate(&mut *self.engine, &self.link, request, &self.limits, &[])
        else {
            // A half-executed async function is no state to continue from, so that the run is
            // rolled back.
            exit::now(ExitCause::Deadlock)
        };
        limits::stop_clocks().unwrap_or_else(|error| limits::no_timer(&error));
        post_mortem::end_run();
        let usage = Usage {
            cpu_us: limits::cpu_time_us().saturating_sub(cpu_before),
            peak_mem_bytes: allocator::peak_bytes() as u64,
            host_calls: post_mortem::host_calls(),
        };
        let is_cheap = replay::is_cheap(&usage, began.elapsed(), heap_before, limits);
        // Garbage is not collected after a run that is logged, because a replay does not do so
        // either.
        let may_log = may_log && is_cheap && !self.is_worth_collecting();
        let trace = if may_log { self.link.trace(&end) } else { None };
        let is_logged = trace.is_some();
        let Evaluation { threw, payload } = end;
        self.send(&FromSession::Ended {
            run,
            threw,
            payload,
            usage,
            trace,
        });
        self.commits += 1;
        if !is_logged {
            self.collect_if_worth_it();
            self.commit();
        }
    }

    /// Replays the committed runs that this state lacks, and makes a checkpoint.
    fn replay(&mut self, log: &[Arc<LoggedRun>]) {
        self.link.detach();
        let replayed = replay::replay(
            &mut *self.engine,
            &self.link,
            log,
            &self.limits,
            &mut self.commits,
        );
        self.link.attach(Rc::clone(&self.channel));
        match replayed {
            Ok(()) => self.commit(),
            Err(error) => exit::noting(ExitCause::ReplayDiverged, &error.to_string()),
        }
    }

    /// Whether the heap has grown so much since the last collection that another one is worth its
    /// time.
    fn is_worth_collecting(&self) -> bool {
        let worth = (self.live_after_collection / COLLECT_AFTER_PART).max(COLLECT_AFTER_BYTES);
        allocator::live_bytes() >= self.live_after_collection.saturating_add(worth)
    }

    /// Collects garbage if the heap has grown by a part of itself. Freed memory need not be copied
    /// after the fork. But a collection takes time that grows with the heap, and it writes to pages
    /// that are shared with the checkpoint; if it happened after every run, a session with a large
    /// heap would pay for it with every small execution.
    fn collect_if_worth_it(&mut self) {
        if self.is_worth_collecting() {
            self.engine.collect();
            self.live_after_collection = allocator::live_bytes();
        }
    }

    /// Makes a checkpoint of this state and then reports it. It returns in the session process;
    /// and, perhaps much later, in the checkpoint once that is promoted, which first makes a
    /// checkpoint of its own and then reports its promotion.
    fn commit(&mut self) {
        let commits = self.commits;
        let mut message = FromSession::Committed { commits };
        let queries = self.take_queries();
        loop {
            let names = Names {
                session: self.name(),
                checkpoint: format!("vms-c-{}", self.tag),
            };
            match checkpoint::make(self.checkpoint.take(), self.zygote, &names, &queries) {
                Role::Session(checkpoint) => {
                    self.checkpoint = Some(checkpoint);
                    break;
                }
                Role::Query(socket) => {
                    query::begin(&self.link, &self.query_name());
                    let channel = self.channel.another(socket, MAX_TO_SESSION_BYTES);
                    self.query_process().answer_next(&channel)
                }
                Role::Promoted => {
                    self.enter_next_generation();
                    message = FromSession::Promoted { commits };
                }
            }
        }
        self.queries = Some(queries);
        self.send(&message);
    }

    /// Becomes a query process, for a session without a checkpoint.
    fn answer(&mut self, setup: &SessionSetup, request: QueryRequest) -> ! {
        self.tag.clone_from(&setup.tag);
        query::begin(&self.link, &self.query_name());
        let channel = Rc::clone(&self.channel);
        if self.prepare(setup).is_err() {
            // The set-up of the session itself has succeeded with the same settings, so that
            // another attempt may succeed.
            exit::now(ExitCause::Done)
        }
        self.query_process().answer(&channel, request)
    }

    fn query_process(&mut self) -> QueryProcess<'_> {
        QueryProcess {
            engine: &mut *self.engine,
            link: &self.link,
            limits: &self.limits,
            commits: self.commits,
        }
    }

    fn query_name(&self) -> String {
        format!("vms-l-{}", self.tag)
    }

    fn take_queries(&mut self) -> OwnedFd {
        let Some(queries) = self.queries.take() else {
            exit::noting(
                ExitCause::Channel,
                "the set-up came without the socket for queries",
            )
        };
        queries
    }

    fn enter_next_generation(&mut self) {
        self.generation += 1;
        self.page.enter(self.generation, process::own_pid());
        self.channel.set_generation(self.generation);
        self.set_name();
        self.engine.reseed();
    }

    fn name(&self) -> String {
        if self.tag.is_empty() {
            "vms-waiting".into()
        } else {
            format!("vms-s-{}", self.tag)
        }
    }

    fn set_name(&self) {
        process::set_name(&self.name());
    }

    fn send(&self, message: &FromSession) {
        if self.channel.send(message).is_err() {
            exit::now(ExitCause::Done);
        }
    }
}
