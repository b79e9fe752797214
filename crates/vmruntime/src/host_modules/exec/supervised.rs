//! A command and its supervisor, as the daemon holds them.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::subreaper::{
    ARGUMENT, END_TIMEOUT, FromSupervisor, MAX_MESSAGE_BYTES, ToSupervisor, environment_of,
    kill_below, kill_listed_below, status_of,
};
use crate::ipc::HELPER_TIMEOUT;
use crate::ipc::child::{is_stopped, no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{WorkerCommand, detach};

/// What a supervisor starts.
pub(super) struct Start {
    /// The absolute path of the program.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// All its environment variables.
    pub(super) env: Vec<(OsString, OsString)>,
    /// The working folder.
    pub(super) folder: OwnedFd,
    /// The largest file that the command can write, in bytes.
    pub(super) max_file_bytes: u64,
}

/// A running command. When this is dropped, the command and everything that it started is killed.
pub(super) struct Supervised {
    /// The supervisor; `None` once it was told to end.
    supervisor: Option<Child>,
    sender: Sender,
    receiver: Receiver,
}

/// Why a command has no exit status.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoStatus {
    #[error("it could not be started")]
    NotStarted(Option<i32>),
    #[error("its supervisor {0}")]
    Lost(String),
}

impl Supervised {
    /// Starts a supervisor, which starts the command. The command's standard input is a pipe if it
    /// `has_input`, and empty otherwise.
    ///
    /// # Errors
    /// When the supervisor can't be started.
    pub(super) fn start(worker: &WorkerCommand, start: Start, has_input: bool) -> io::Result<Self> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_MESSAGE_BYTES)?;
        let mut command = Command::new(&worker.program);
        command
            .args(&worker.args)
            .arg(ARGUMENT)
            .arg(start.program)
            .args(start.arguments)
            .env_clear()
            .envs(environment_of(start.env))
            .stdin(if has_input {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (folder, max_file_bytes) = (start.folder, start.max_file_bytes);
        begin_in(&mut command, folder, max_file_bytes, theirs.as_raw_fd());
        let supervisor = command.spawn()?;
        Ok(Self {
            supervisor: Some(supervisor),
            sender,
            receiver,
        })
    }

    /// The supervisor process, which has the standard streams of the command; `None` once it was
    /// told to end.
    pub(super) fn child(&mut self) -> Option<&mut Child> {
        self.supervisor.as_mut()
    }

    /// The process id of the supervisor; `None` once it was told to end or was reaped.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.supervisor.as_ref().and_then(pid_of)
    }

    /// Waits for the end of the command. Processes that it started may still run.
    ///
    /// # Errors
    /// When the command was not started, and when its supervisor died.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, NoStatus> {
        let lost = |reason: String| Err(NoStatus::Lost(reason));
        match self.receiver.receive::<FromSupervisor>().await {
            Ok(Some(received)) => match received.message {
                FromSupervisor::Ended(status) => Ok(status_of(status)),
                FromSupervisor::NotStarted(errno) => Err(NoStatus::NotStarted(errno)),
            },
            Ok(None) => lost("is gone".into()),
            Err(error) => lost(format!("sent what is no message: {error}")),
        }
    }

    /// Kills the command and everything that it started. Returns its exit status.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, NoStatus> {
        let asked = async {
            let sent = self.sender.send(0, &ToSupervisor::End, None).await;
            sent.map_err(|_| NoStatus::Lost("is gone".into()))?;
            self.ended().await
        };
        let answered = tokio::time::timeout(HELPER_TIMEOUT, asked).await;
        answered.unwrap_or_else(|_| Err(NoStatus::Lost(no_answer())))
    }

    /// Kills the processes that the command has left behind, and waits until they have ended.
    pub(super) async fn end(mut self) {
        self.sender.hang_up();
        if let Some(supervisor) = self.supervisor.take() {
            end(supervisor).await;
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.sender.hang_up();
        let Some(mut supervisor) = self.supervisor.take() else {
            return;
        };
        // The supervisor does the same when its channel is closed, but it may be late, and the
        // command must be dead before the end of its run is reported to the client.
        if let Some(pid) = pid_of(&supervisor) {
            kill_listed_below(pid);
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(end(supervisor))),
            // No task can wait for the supervisor, because the daemon ends.
            Err(_) => drop(supervisor.try_wait()),
        }
    }
}

/// Waits until a supervisor that was told to end has ended, with everything below it. If it does
/// not end in time, the daemon kills everything below it and then the supervisor.
async fn end(mut supervisor: Child) {
    let Some(pid) = pid_of(&supervisor) else {
        return;
    };
    let ended = !is_stopped(pid)
        && tokio::time::timeout(END_TIMEOUT, supervisor.wait())
            .await
            .is_ok();
    if ended {
        return;
    }
    tracing::warn!(%pid, "the supervisor of a command {} and is killed with what is below it", no_answer());
    // The supervisor adopts every orphan below it until it is dead itself, so that it must be
    // killed last.
    let below = tokio::task::spawn_blocking(move || {
        let mut rounds = 0;
        while kill_below(pid) > 0 && rounds < MAX_ROUNDS {
            rounds += 1;
        }
    });
    let _ = below.await;
    let _ = supervisor.kill().await;
}

/// How often the processes below a supervisor are killed before the rest is left alone, because it
/// belongs to another user.
const MAX_ROUNDS: u32 = 100;

/// Prepares the start of a child: its working folder, its channel, and the largest file that it and
/// the processes below it can write, in bytes.
fn begin_in(command: &mut Command, folder: OwnedFd, max_file_bytes: u64, channel: i32) {
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and
    // takes no lock.
    unsafe {
        command.pre_exec(move || {
            // The folder is entered by its handle and not by its path, in which another process
            // could have put a link in the meantime.
            nix::unistd::fchdir(&folder)?;
            let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
            let longest = max_file_bytes.min(hard);
            setrlimit(Resource::RLIMIT_FSIZE, longest, longest)?;
            detach(channel)
        });
    }
}

/// Waits until a supervisor has been stopped for so long that its command is given up.
pub(super) async fn stopped_supervisor(supervisor: Option<Pid>) -> NoStatus {
    stopped_for_long(supervisor).await;
    NoStatus::Lost(no_answer())
}
