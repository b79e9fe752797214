//! A session process: runs scripts, commits each with a checkpoint or by having it kept for a redo, and takes over when it was
//! one.
//!
//! Before it needs one it has no checkpoint: what it is then, the daemon makes once more out of another fork of the zygote.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nix::unistd::Pid;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, Usage};

use super::checkpoint::{self, Checkpoint, Made, Names};
use super::link::Link;
use super::memory::allocator;
use super::post_mortem::{self as page, PostMortemPage};
use super::sandbox::Confinement;
use super::{exit, limits, process, query, replay};
use crate::engine::{Engine, Evaluation};
use crate::ipc::worker_end::Channel;
use crate::ipc::{FromSession, LoggedRun, SessionSetup, ToSession};

/// By what part of itself the heap grows before garbage is collected: a quarter.
const COLLECT_AFTER_PART: usize = 4;

/// By how much at least, in bytes.
const COLLECT_AFTER_BYTES: usize = 256 * 1024;

/// The state of a session process, copied by every fork.
pub(super) struct Session {
    engine: Box<dyn Engine>,
    link: Rc<Link>,
    channel: Rc<Channel>,
    page: &'static PostMortemPage,
    zygote: Pid,
    confinement: Rc<Confinement>,
    /// What its processes show as part of their names; nothing before it is set up.
    tag: String,
    generation: u32,
    /// How many runs the heap holds.
    commits: u64,
    checkpoint: Option<Checkpoint>,
    /// Over which its checkpoints are asked.
    queries: Option<OwnedFd>,
    /// The session's own limits, which an execution may only lower.
    limits: Limits,
    /// Whether that was done before the session was known.
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

    /// Serves the daemon until it hangs up.
    pub(super) fn serve(mut self) -> ! {
        loop {
            let received = match self.channel.receive::<ToSession>() {
                Ok(Some(received)) => received,
                Ok(None) => exit::now(exit::DONE),
                Err(error) => exit::noting(exit::CHANNEL, &error.to_string()),
            };
            if received.generation != self.generation {
                // It was meant for the process that this one took over from.
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
                    ..
                } => self.run(run, &request, may_log),
                ToSession::Replay(log) => self.replay(&log),
                ToSession::RenewCheckpoint => self.commit(),
                ToSession::StandIn => self.stand_in(),
                // Nobody waits for it any more.
                ToSession::HostAnswer(_) => {}
            }
        }
    }

    fn set_up(&mut self, setup: &SessionSetup) {
        self.tag.clone_from(&setup.tag);
        self.set_name();
        self.limits = setup.limits;
        let error = self
            .engine
            .configure(setup)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                limits::bound_memory(&setup.limits);
                if self.is_confined {
                    return Ok(());
                }
                self.confine(&setup.limits)
                    .map_err(|error| error.to_string())
            })
            .err();
        let has_failed = error.is_some();
        self.send(&FromSession::Ready { error });
        if has_failed {
            // It may be without confinement.
            exit::now(exit::DONE)
        }
    }

    /// Confines this process before its session is known, so that the session need not wait for that. It is for one that may
    /// have no more memory than by default.
    pub(super) fn confine_ahead(&mut self) {
        if let Err(error) = self.confine(&Limits::default()) {
            exit::noting(exit::CHANNEL, &format!("it can't be confined: {error}"));
        }
        self.is_confined = true;
    }

    fn confine(&self, limits: &Limits) -> io::Result<()> {
        limits::bound_mappings(limits)?;
        self.confinement.enter_session()
    }

    fn run(&mut self, run: u64, request: &RunRequest, may_log: bool) {
        self.send(&FromSession::Started { run });
        let limits = &request.limits;
        let cpu_before = limits::cpu_time_us();
        let heap_before = allocator::live_bytes().saturating_sub(allocator::base_bytes()) as u64;
        allocator::start_peak(page::begin_run(cpu_before, allocator::base_bytes()));
        let began = Instant::now();
        limits::start_clocks(limits).unwrap_or_else(|error| limits::no_timer(&error));
        let Ok(end) = replay::evaluate(&mut *self.engine, &self.link, request, &self.limits, &[])
        else {
            // Half of an async function is no state to go on from: the checkpoint takes over.
            exit::now(exit::DEADLOCK)
        };
        limits::stop_clocks().unwrap_or_else(|error| limits::no_timer(&error));
        page::end_run();
        let usage = Usage {
            cpu_us: limits::cpu_time_us().saturating_sub(cpu_before),
            peak_mem_bytes: allocator::peak_bytes() as u64,
            host_calls: page::host_calls(),
        };
        let is_cheap = replay::is_cheap(&usage, began.elapsed(), heap_before, limits);
        // What is collected afterwards is not what a redo would come to.
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

    /// Runs once more what is missing here of what the session has committed.
    fn replay(&mut self, log: &[Arc<LoggedRun>]) {
        self.link.detach();
        let done = replay::replay(
            &mut *self.engine,
            &self.link,
            log,
            &self.limits,
            &mut self.commits,
        );
        self.link.attach(Rc::clone(&self.channel));
        match done {
            Ok(()) => self.commit(),
            Err(error) => exit::noting(exit::REDO, &error.to_string()),
        }
    }

    fn is_worth_collecting(&self) -> bool {
        let worth = (self.live_after_collection / COLLECT_AFTER_PART).max(COLLECT_AFTER_BYTES);
        allocator::live_bytes() >= self.live_after_collection.saturating_add(worth)
    }

    /// Collects garbage once the heap has grown by a part of itself. What is freed need not be copied by the fork; but a
    /// collection takes time with the heap and dirties the pages that it shares with the checkpoint, so that a session
    /// with a large heap would pay for every small execution.
    fn collect_if_worth_it(&mut self) {
        if self.is_worth_collecting() {
            self.engine.collect();
            self.live_after_collection = allocator::live_bytes();
        }
    }

    /// Makes a checkpoint of this state, then says so. Returns in the session process; and, perhaps much later, in the
    /// checkpoint that has become the session process, which makes one of its own and says that it took over.
    fn commit(&mut self) {
        let commits = self.commits;
        let mut news = FromSession::Committed { commits };
        let queries = self.take_looks();
        loop {
            let names = Names {
                session: self.name(),
                checkpoint: self.checkpoint_name(),
            };
            match checkpoint::make(self.checkpoint.take(), self.zygote, &names, &queries) {
                Made::Session(checkpoint) => {
                    self.checkpoint = Some(checkpoint);
                    break;
                }
                Made::Query(socket) => self.answer(socket),
                Made::Woken => {
                    self.enter_next_generation();
                    news = FromSession::Promoted { commits };
                }
            }
        }
        self.queries = Some(queries);
        self.send(&news);
    }

    /// Answers questions in place of a checkpoint that the session does not have yet.
    fn stand_in(&mut self) -> ! {
        let queries = self.take_looks();
        let name = self.checkpoint_name();
        let socket = checkpoint::stand_in(self.channel.socket(), self.zygote, &name, &queries);
        self.answer(socket)
    }

    fn answer(&mut self, socket: OwnedFd) -> ! {
        let name = format!("vms-l-{}", self.tag);
        let of_session = query::OfSession {
            link: &self.link,
            channel: &self.channel,
            limits: &self.limits,
            commits: self.commits,
        };
        query::answer(&mut *self.engine, &of_session, socket, &name)
    }

    fn take_looks(&mut self) -> OwnedFd {
        let Some(queries) = self.queries.take() else {
            exit::noting(exit::CHANNEL, "the socket for questions did not come along")
        };
        queries
    }

    fn checkpoint_name(&self) -> String {
        format!("vms-c-{}", self.tag)
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
            exit::now(exit::DONE);
        }
    }
}
