//! The supervisor of a command: a process between the daemon and the command. No process that the
//! command starts outlives it.
//!
//! The kernel makes the supervisor the parent of every process below it that has lost its own
//! parent (`PR_SET_CHILD_SUBREAPER`), also of processes that fork twice or begin a session of their
//! own. So some process of the command is left exactly as long as the supervisor has a child. When
//! the daemon sends [`ToSupervisor::End`] or closes the channel, the supervisor kills its children
//! until it has none.

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

/// The first argument of a supervisor, in place of the name of an engine. The program follows, and
/// its arguments.
pub(crate) const ARGUMENT: &str = "exec";

/// The prefix of the command's variables in the environment of the supervisor. It keeps them from
/// affecting the supervisor.
const PREFIX: &[u8] = b"_OF_COMMAND_";

/// The largest message of either side, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: u32 = 4096;

/// The soft limit of open files that programs expect.
const USUAL_OPEN_FILES: u64 = 1024;

/// How long to wait for the death of killed processes before the children are listed again, in
/// milliseconds.
const BETWEEN_ROUNDS_MS: u16 = 2;

/// A message from the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToSupervisor {
    /// Kill the command and everything that it started, and end. The end of the channel means the
    /// same.
    End,
}

/// A message to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromSupervisor {
    /// The command could not be started, for this `errno`; `None` if the error has no number.
    NotStarted(Option<i32>),
    /// The command has ended, with this status of `wait`. Processes that it started may still run.
    Ended(i32),
}

impl Message for ToSupervisor {}
impl Message for FromSupervisor {}

/// The environment of a supervisor whose command gets these variables.
pub(crate) fn environment_of(
    variables: Vec<(OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    variables.into_iter().map(|(name, value)| {
        let name = [PREFIX, name.as_bytes()].concat();
        (OsString::from_vec(name), value)
    })
}

/// Runs a command and serves the daemon until it closes the channel. `args` are the program and its
/// arguments; the command gets the standard streams and the working directory of this process.
///
/// # Errors
/// When a system call fails that never fails otherwise.
pub(crate) fn serve(args: &mut dyn Iterator<Item = OsString>) -> io::Result<()> {
    process::set_name("vms-exec");
    let scores = oom::Scores::inherited();
    if let Some(scores) = scores {
        oom::raise(scores.helper);
    }
    prctl::set_child_subreaper(true)?;
    // SAFETY: the daemon leaves its end of the channel at this descriptor, and nothing else here
    // uses it.
    let channel = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    let channel = Channel::new(channel, MAX_MESSAGE_BYTES);
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    let deaths = SignalFd::with_flags(&children, flags)?;
    let started = start(args, scores);
    // Only the command keeps the streams, so that they end when the last process that writes to
    // them has ended.
    detach_from_streams()?;
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
    args: &mut dyn Iterator<Item = OsString>,
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
    // SAFETY: this process has one thread, so the forked child may do everything that this process
    // may do.
    unsafe {
        command.pre_exec(move || {
            if let Some(scores) = scores {
                oom::raise(scores.session);
            }
            // The daemon has raised its own limit, but programs that use `select` need the usual
            // one.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, USUAL_OPEN_FILES.min(hard), hard)?;
            // If the supervisor is killed, the kernel kills the command.
            Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
        });
    }
    command.spawn()
}

/// Replaces the standard streams of this process by the null device, and leaves the worktree.
fn detach_from_streams() -> io::Result<()> {
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
    /// The process of the command.
    command: Pid,
}

impl Supervisor {
    /// Reaps children until the daemon sends [`ToSupervisor::End`] or closes the channel.
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
                // Every message means the end. It is read, because the daemon would get an error
                // instead of the last message of this process if this process ended with an unread
                // one.
                let _ = self.channel.receive::<ToSupervisor>();
                return Ok(());
            }
            self.reap()?;
        }
    }

    /// Kills and reaps children until there are none. Processes of other users can't be killed, and
    /// are left alone after [`HELPER_TIMEOUT`].
    fn end(&mut self) -> io::Result<()> {
        let due = Instant::now() + HELPER_TIMEOUT;
        while self.reap()? && Instant::now() < due {
            // A killed process does not fork any more. Its children become children of this process
            // and are killed in the next round.
            tree::kill_children();
            let mut died = [PollFd::new(self.deaths.as_fd(), PollFlags::POLLIN)];
            match poll(&mut died, BETWEEN_ROUNDS_MS) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reaps the dead children, and reports the end of the command. Returns whether any children
    /// are left.
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
                // A failure is ignored: the daemon may have ended.
                let _ = self.channel.send(&FromSupervisor::Ended(status));
            }
        }
    }
}

/// How long the daemon waits for a supervisor to end before it kills the processes below it. It is
/// less than the end of a run may take.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The exit status in a message of a supervisor.
pub(crate) fn status_of(raw: i32) -> ExitStatus {
    ExitStatus::from_raw(raw)
}
