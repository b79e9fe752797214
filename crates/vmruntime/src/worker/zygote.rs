//! The zygote: it warms the engine up, forks session processes and query processes, and reaps every
//! process of every session.
//!
//! # Deaths
//!
//! The kernel reports the death of a child with `SIGCHLD`. The zygote reads the status of the dead
//! child first and reaps it last ([`Zygote::reap`]): until a process is reaped, its id and its
//! process group can't be used again. So the process group shows reliably which session the process
//! belonged to. A death is reported to the daemon unless the process was dismissed: a process that
//! ends with [`ExitCause::Done`], or that the daemon ordered to be killed because its answer is not
//! awaited any more. When the last process of a group was reaped, the zygote sends `Ended`.
//!
//! For the same reason the zygote kills no process by an id that a session process wrote, unless
//! the kernel confirms that the process is in the group of that session ([`kill_member`]).
//!
//! # The end
//!
//! When the daemon closes the channel, the zygote kills and reaps all processes and ends. If the
//! zygote itself dies, the kernel kills its children (`PR_SET_PDEATHSIG`).

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpgid, getpid, setsid};
use vmapi_types::Limits;
use vmcontrol::runtime::Usage;

use super::link::Link;
use super::memory::heap::LargePages;
use super::memory::{allocator, faults, image, stack};
use super::oom::ZygoteScore;
use super::post_mortem::PostMortemPages;
use super::process::{self, Kinship, Side};
use super::sandbox::{self, Confinement};
use super::session::{Parts, Session};
use super::stopped::StoppedChildren;
use super::{exit, limits};
use crate::engine::{self, Engine, ModuleScript};
use crate::ipc::worker_end::Channel;
use crate::ipc::{
    CONTROL_FD, Death, DeathCause, DeathNote, ExitCause, FromZygote, LoadError,
    MAX_TO_SESSION_BYTES, MAX_TO_ZYGOTE_BYTES, ToZygote,
};

/// Flags of `waitid` that read the status of a dead child without waiting for one, and that leave
/// the child to be reaped.
const PEEK: WaitPidFlag = WaitPidFlag::WEXITED
    .union(WaitPidFlag::WNOHANG)
    .union(WaitPidFlag::WNOWAIT);

/// As [`PEEK`], and also the status of a child that was stopped or continued.
const PEEK_AT_CHANGES: WaitPidFlag = PEEK
    .union(WaitPidFlag::WSTOPPED)
    .union(WaitPidFlag::WCONTINUED);

/// By how much one library may let the heap grow, in bytes: more than any library needs, and less
/// memory than most machines have.
const MAX_LIBRARY_HEAP_BYTES: usize = 512 * 1024 * 1024;

/// How long one library may take, in milliseconds. The daemon kills a zygote that takes longer
/// earlier; this bound is for the case that the daemon has ended, which a zygote does not notice
/// while it loads.
const MAX_LIBRARY_MS: u64 = 60_000;

/// The processes of a session, or one query process.
struct ProcessGroup {
    /// The daemon's number for the group.
    session: u64,
    /// The number of its post-mortem page.
    page: usize,
}

struct Zygote {
    control: Channel,
    link: Rc<Link>,
    /// The engine. It is `None` only in a fork, which takes it out.
    engine: Option<Box<dyn Engine>>,
    confinement: Rc<Confinement>,
    large_pages: Option<LargePages>,
    pages: PostMortemPages,
    /// The groups, by the process id of their first process, which is also the id of the process
    /// group.
    process_groups: HashMap<Pid, ProcessGroup>,
    stopped: StoppedChildren,
    /// Query processes that were killed because the daemon does not wait for their answers any
    /// more, and that have not been reaped.
    abandoned: Vec<Pid>,
    oom_score: ZygoteScore,
}

/// Serves the daemon until it closes the channel.
///
/// # Errors
/// When the engine can't be built or the system refuses something that it always grants.
pub(super) fn serve(engine: &str, modules: &'static [ModuleScript]) -> io::Result<()> {
    process::set_name("vms-zygote");
    faults::install()?;
    nix::sys::prctl::set_child_subreaper(true)?;
    // SAFETY: the daemon leaves its end of the channel at this descriptor, and nothing else here
    // uses it.
    let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    let large_pages = LargePages::begin();
    let link = Rc::new(Link::default());
    let built = engine::build(
        engine,
        Rc::clone(&link) as Rc<dyn engine::HostLink>,
        modules,
    );
    let engine = built.map_err(io::Error::other)?;
    if let Err(error) = image::share_read_only_data() {
        // Without it, forks take a little longer.
        eprintln!("the program's read-only data could not be shared: {error}");
    }
    allocator::take_holes();
    if let Some(large_pages) = large_pages {
        large_pages.collapse();
    }
    process::begin_single_threaded()?;
    stack::begin();
    let oom_score = ZygoteScore::begin();
    let (confinement, sandbox) = sandbox::enter_zygote()?;
    let mut zygote = Zygote {
        control: Channel::new(control, MAX_TO_ZYGOTE_BYTES),
        link,
        engine: Some(engine),
        confinement: Rc::new(confinement),
        large_pages,
        pages: PostMortemPages::new()?,
        process_groups: HashMap::new(),
        stopped: StoppedChildren::default(),
        abandoned: Vec::new(),
        oom_score,
    };
    zygote.send(&FromZygote::Hello {
        binary: env!("CARGO_PKG_VERSION").into(),
        sandbox,
    })?;
    zygote.run()
}

impl Zygote {
    fn run(&mut self) -> io::Result<()> {
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        children.thread_block()?;
        let changes =
            SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        loop {
            let mut ready = [
                PollFd::new(self.control.socket().as_fd(), PollFlags::POLLIN),
                PollFd::new(changes.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, self.stopped.timeout()) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let (has_message, has_changes) = (is_ready(&ready[0]), is_ready(&ready[1]));
            if has_changes {
                while changes.read_signal()?.is_some() {}
                self.reap()?;
            }
            let (process_groups, pages) = (&self.process_groups, &self.pages);
            self.stopped.kill_overdue(|pid| {
                let first = getpgid(Some(pid)).ok();
                let group = first.and_then(|first| process_groups.get(&first));
                let page = group.map(|group| pages.get(group.page));
                page.is_some_and(|page| page.is_running(pid.as_raw().unsigned_abs()))
            });
            if has_message && !self.on_message()? {
                self.end_everything();
                return Ok(());
            }
        }
    }

    /// Handles a message of the daemon. Returns false when the daemon has closed the channel.
    fn on_message(&mut self) -> io::Result<bool> {
        let Some(received) = self.control.receive::<ToZygote>()? else {
            return Ok(false);
        };
        match (received.message, received.fd) {
            (ToZygote::Load { name, source }, _) => {
                let error = self.load(&name, &source).err();
                let is_deterministic = self.link.is_deterministic();
                self.send(&FromZygote::Loaded {
                    error,
                    is_deterministic,
                })?;
            }
            (ToZygote::Ping { number }, _) => self.send(&FromZygote::Pong { number })?,
            (ToZygote::Open { session, ahead }, Some(socket)) => {
                if let Err(error) = self.open(session, ahead, socket) {
                    self.send(&FromZygote::OpenFailed {
                        session,
                        reason: error.to_string(),
                    })?;
                }
            }
            (ToZygote::Open { session, .. }, None) => self.send(&FromZygote::OpenFailed {
                session,
                reason: "the order came without the socket of the process".into(),
            })?,
            (
                ToZygote::Interrupt {
                    session,
                    generation,
                },
                _,
            ) => self.interrupt(session, generation),
            (ToZygote::EndQuery { session, pid }, _) => {
                let group = self.group(session);
                let killed = group.and_then(|(first, _)| kill_member(first, pid));
                self.abandoned.extend(killed);
            }
            (ToZygote::Close { session }, _) => {
                if let Some((first, _)) = self.group(session) {
                    kill_group(first);
                }
            }
        }
        Ok(true)
    }

    /// Loads a library, so that every session is forked with it. The daemon orders all libraries to
    /// be loaded before it opens the first session.
    fn load(&mut self, name: &str, source: &str) -> Result<(), LoadError> {
        let failed = |error: io::Error| LoadError::Failed(error.to_string());
        let engine = self.engine.as_mut();
        let engine = engine.ok_or_else(|| LoadError::Failed("there is no engine".into()))?;
        self.link.begin(Limits::default(), &[]);
        let clocks = Limits {
            wall_ms: MAX_LIBRARY_MS,
            cpu_ms: MAX_LIBRARY_MS,
            ..Limits::default()
        };
        limits::start_clocks(&clocks).map_err(failed)?;
        allocator::limit_growth(MAX_LIBRARY_HEAP_BYTES);
        let loaded = engine.load(name, source);
        limits::stop_clocks().map_err(failed)?;
        engine.collect();
        allocator::lift_limit();
        allocator::take_holes();
        if let Some(large_pages) = self.large_pages {
            large_pages.collapse();
        }
        loaded
    }

    /// Forks a process for a session or for a query. Returns in the zygote only.
    fn open(&mut self, session: u64, ahead: bool, socket: OwnedFd) -> io::Result<()> {
        let page = self.pages.take()?;
        let zygote = getpid();
        self.oom_score.begin_fork();
        let forked = process::fork(Kinship::Child);
        if !matches!(forked, Ok(Side::Child)) {
            self.oom_score.end_fork();
        }
        match forked {
            Ok(Side::Parent(pid)) => {
                let group = ProcessGroup { session, page };
                self.process_groups.insert(pid, group);
                Ok(())
            }
            Err(error) => {
                self.pages.give_back(page);
                Err(error)
            }
            Ok(Side::Child) => {
                let (link, engine) = (Rc::clone(&self.link), self.engine.take());
                let confinement = Rc::clone(&self.confinement);
                let prepared = setsid()
                    .map_err(io::Error::from)
                    .and_then(|_| process::die_with_parent(zygote))
                    .and_then(|()| self.pages.map(page))
                    .and_then(|page| Ok((page, process::keep_only(socket)?)));
                match (prepared, engine) {
                    (Ok((page, socket)), Some(engine)) => {
                        let channel = self.control.another(socket, MAX_TO_SESSION_BYTES);
                        let parts = Parts {
                            engine,
                            link,
                            channel,
                            page,
                            zygote,
                            confinement,
                        };
                        let mut session = Session::start(parts);
                        if ahead {
                            session.confine_ahead();
                        }
                        session.serve()
                    }
                    _ => exit::now(ExitCause::Channel),
                }
            }
        }
    }

    /// The group of that number, with its process group id; `None` if there is none.
    fn group(&self, session: u64) -> Option<(Pid, &ProcessGroup)> {
        self.process_groups
            .iter()
            .find(|(_, group)| group.session == session)
            .map(|(first, group)| (*first, group))
    }

    /// Kills the session process of a generation, if it still runs.
    fn interrupt(&self, session: u64, generation: u32) {
        let Some((first, group)) = self.group(session) else {
            return;
        };
        let Some(pid) = self.pages.get(group.page).pid_of(generation) else {
            return;
        };
        // If the session has no process of that id, its page holds a wrong one.
        let _ = kill_member(first, pid);
    }

    /// Reaps the processes that have died and reports them.
    fn reap(&mut self) -> io::Result<()> {
        // The status is read before the process is reaped: until then the process id and its group
        // belong to the dead process.
        loop {
            let (pid, cause) = match waitid(Id::All, PEEK_AT_CHANGES) {
                Ok(WaitStatus::Exited(pid, code)) => {
                    (pid, DeathCause::Exited(ExitCause::of_status(code)))
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, DeathCause::Signaled(signal as i32))
                }
                Ok(WaitStatus::Stopped(pid, _)) => {
                    self.stopped.take_report(pid, WaitPidFlag::WSTOPPED);
                    continue;
                }
                Ok(WaitStatus::Continued(pid)) => {
                    self.stopped.take_report(pid, WaitPidFlag::WCONTINUED);
                    continue;
                }
                Ok(_) | Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let first = if self.process_groups.contains_key(&pid) {
                pid
            } else {
                getpgid(Some(pid)).unwrap_or(pid)
            };
            let cpu_us = process::reap(pid)?;
            self.report(first, pid, cause, cpu_us)?;
        }
    }

    /// Reports the death of a reaped process, and the end of its group if it was the last one.
    /// `first` is the id of its process group; `cpu_us` is its whole CPU time, in microseconds.
    fn report(&mut self, first: Pid, pid: Pid, cause: DeathCause, cpu_us: u64) -> io::Result<()> {
        let stopped = self.stopped.forget(pid);
        let abandoned = self
            .abandoned
            .iter()
            .position(|abandoned| *abandoned == pid);
        let is_abandoned = abandoned
            .map(|index| self.abandoned.swap_remove(index))
            .is_some();
        let Some(group) = self.process_groups.get(&first) else {
            return Ok(());
        };
        let (session, page) = (group.session, group.page);
        let remains = self.pages.get(page).remains_of(pid.as_raw().unsigned_abs());
        let is_dismissed = cause == DeathCause::Exited(ExitCause::Done) || is_abandoned;
        if remains.is_some() || !is_dismissed {
            let run = remains.as_ref().and_then(|remains| remains.run);
            let death = Death {
                generation: remains.as_ref().map(|remains| remains.generation),
                cause,
                usage: run.map(|run| Usage {
                    cpu_us: cpu_us.saturating_sub(run.cpu_before_us),
                    peak_mem_bytes: run.peak_mem_bytes,
                    host_calls: run.host_calls,
                }),
                note: remains
                    .and_then(|remains| remains.note)
                    .map(DeathNote::Said)
                    .or(stopped.then_some(DeathNote::StoppedTooLong)),
            };
            self.send(&FromZygote::Died { session, death })?;
        }
        if waitid(Id::PGid(first), PEEK) == Err(Errno::ECHILD) {
            self.process_groups.remove(&first);
            self.pages.give_back(page);
            self.send(&FromZygote::Ended { session })?;
        }
        Ok(())
    }

    /// Kills every process of every session and reaps it.
    fn end_everything(&mut self) {
        for first in self.process_groups.keys() {
            kill_group(*first);
        }
        while matches!(
            waitid(Id::All, WaitPidFlag::WEXITED),
            Ok(_) | Err(Errno::EINTR)
        ) {}
    }

    fn send(&self, message: &FromZygote) -> io::Result<()> {
        self.control.send(message)
    }
}

fn is_ready(fd: &PollFd<'_>) -> bool {
    fd.revents().is_some_and(|events| !events.is_empty())
}

/// Kills a process of the group `first`. The process id comes from a session process, so it is used
/// only if the kernel confirms that the process is in that group. No process is reaped between this
/// check and the kill, so that the id can't go to another process. Returns the id if the process
/// was killed.
fn kill_member(first: Pid, pid: u32) -> Option<Pid> {
    let pid = Pid::from_raw(pid.cast_signed());
    let is_member = getpgid(Some(pid)) == Ok(first);
    (is_member && kill(pid, Signal::SIGKILL).is_ok()).then_some(pid)
}

/// Kills the process group of a session; if the first process has not made the group yet, that
/// process alone. Neither id can belong to another process: a process of the group is a child that
/// has not been reaped.
fn kill_group(first: Pid) {
    let group = Pid::from_raw(-first.as_raw());
    if kill(group, Signal::SIGKILL) == Err(Errno::ESRCH) {
        let _ = kill(first, Signal::SIGKILL);
    }
}
