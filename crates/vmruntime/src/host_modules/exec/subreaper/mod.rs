//! The process between the daemon and a command of the host module `exec`: nothing that the command starts outlives it.
//!
//! The kernel makes it the parent of every process below it that has lost its own (`PR_SET_CHILD_SUBREAPER`): of double forks,
//! of daemons, of sessions of their own. So as long as it has a child something is left of the command, and once it has
//! none, nothing is. When the daemon says so, or is gone, it kills children until there are no more.

mod tree;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::ipc::worker_end::Channel;
use crate::ipc::{CONTROL_FD, HELPER_TIMEOUT, Message};
use crate::worker::{oom, process};

pub(crate) use tree::{kill_below, kill_listed_below};

/// The argument that makes a worker such a process, in place of the name of an engine. The program follows, and its arguments.
pub(crate) const ARGUMENT: &str = "exec";

/// What the names of the command's variables begin with in the environment of its supervisor, on which they have no effect.
const PREFIX: &[u8] = b"_OF_COMMAND_";

/// The largest message of either side.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 4096;

/// The soft limit of open files that programs are used to.
const USUAL_OPEN_FILES: u64 = 1024;

/// How long to wait for the death of a process that was killed before others are looked for.
const BETWEEN_ROUNDS_MS: u16 = 2;

/// From the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToSupervisor {
    /// Kill the command and all that it started, and end. The end of the channel means the same.
    End,
}

/// To the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromSupervisor {
    /// The command could not be started, for this reason (`errno`), if the system gave one.
    NotStarted(Option<i32>),
    /// The command has ended, with this status as `wait` gives it. What it started may go on.
    Ended(i32),
}

impl Message for ToSupervisor {}
impl Message for FromSupervisor {}

/// The environment of a supervisor whose command is to have these variables.
pub(crate) fn environment_of(
    variables: Vec<(OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    variables.into_iter().map(|(name, value)| {
        let name = [PREFIX, name.as_bytes()].concat();
        (OsString::from_vec(name), value)
    })
}

/// Runs a command and serves the daemon until that hangs up. `args` are the program and its arguments; the command gets the
/// standard streams and the working directory of this process.
///
/// # Errors
/// When the system refuses something that it always grants.
pub(crate) fn serve(args: impl Iterator<Item = OsString>) -> io::Result<()> {
    process::set_name("vms-exec");
    let scores = oom::Scores::inherited();
    if let Some(scores) = scores {
        oom::raise(scores.helper);
    }
    prctl::set_child_subreaper(true)?;
    // SAFETY: the daemon leaves its end of the channel at this descriptor, and nothing else here uses it.
    let channel = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    let channel = Channel::new(channel, MAX_MESSAGE_BYTES);
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let deaths = SignalFd::with_flags(&children, flags)?;
    let started = start(args, scores);
    // The command alone has them: their end is that of the last process that writes to them.
    let_go_of_streams()?;
    let command = match started {
        Ok(command) => command,
        Err(error) => return channel.send(&FromSupervisor::NotStarted(error.raw_os_error())),
    };
    let command = i32::try_from(command.id()).map_err(io::Error::other)?;
    let mut supervisor = Supervisor {
        channel,
        deaths,
        command: Pid::from_raw(command),
    };
    supervisor.serve()?;
    supervisor.end()
}

/// Starts the command.
fn start(
    mut args: impl Iterator<Item = OsString>,
    scores: Option<oom::Scores>,
) -> io::Result<Child> {
    let program = args.next().ok_or(io::ErrorKind::InvalidInput)?;
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(PREFIX)?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    });
    let variables: Vec<_> = variables.collect();
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(variables)
        .process_group(0);
    // SAFETY: this process has one thread, so that its fork may do whatever it may do itself.
    unsafe {
        command.pre_exec(move || {
            if let Some(scores) = scores {
                oom::raise(scores.session);
            }
            // The daemon has raised its own limit; programs that use `select` rely on the usual one.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, USUAL_OPEN_FILES.min(hard), hard)?;
            // A supervisor that is killed can't clean up after itself.
            Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
        });
    }
    command.spawn()
}

/// Has the standard streams of this process lead nowhere, and lets go of the worktree.
fn let_go_of_streams() -> io::Result<()> {
    let nowhere = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    nix::unistd::dup2_stdin(&nowhere)?;
    nix::unistd::dup2_stdout(&nowhere)?;
    nix::unistd::dup2_stderr(&nowhere)?;
    std::env::set_current_dir("/")
}

struct Supervisor {
    channel: Channel,
    deaths: SignalFd,
    /// Its process.
    command: Pid,
}

impl Supervisor {
    /// Reaps until the daemon says that it is enough, or is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut ready = [
                PollFd::new(self.channel.socket().as_fd(), PollFlags::POLLIN),
                PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            if ready[0].any() == Some(true) {
                // Whatever it is, it means the end. If it stayed unread, the daemon would be told so in place of our last message.
                let _ = self.channel.receive::<ToSupervisor>();
                return Ok(());
            }
            self.reap()?;
        }
    }

    /// Kills and reaps until nothing is left. What can't be killed (a program of another user) is left alone in the end.
    fn end(&mut self) -> io::Result<()> {
        let due = Instant::now() + HELPER_TIMEOUT;
        while self.reap()? && Instant::now() < due {
            // Who is killed can fork no more. Its children are ours then, and killed in the next round.
            tree::kill_children();
            let mut died = [PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN)];
            match poll(&mut died, BETWEEN_ROUNDS_MS) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reaps all that is dead, and reports the command. Says whether there is anything left.
    fn reap(&mut self) -> io::Result<bool> {
        while self.deaths.read_signal()?.is_some() {}
        loop {
            let (pid, status) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, code << 8),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, signal as i32),
                Ok(WaitStatus::StillAlive) => return Ok(true),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(Errno::ECHILD) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            if pid == self.command {
                // The daemon may be gone.
                let _ = self.channel.send(&FromSupervisor::Ended(status));
            }
        }
    }
}

/// How long the daemon waits for a supervisor to end before it kills what is below it: less than what comes after a run may take.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The exit status that a supervisor has reported.
pub(crate) fn status_of(raw: i32) -> ExitStatus {
    ExitStatus::from_raw(raw)
}
