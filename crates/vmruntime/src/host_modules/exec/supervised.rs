//! A command and its supervisor, as the daemon holds them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{ExitStatus, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use super::child::Prepared;
use crate::host_modules::exec::subreaper::{
    ARGUMENT, END_TIMEOUT, FromSupervisor, MAX_MESSAGE_BYTES, ToSupervisor, environment_of,
    kill_below, kill_listed_below, status_of,
};
use crate::ipc::HELPER_TIMEOUT;
use crate::ipc::child::{is_stopped, no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{WorkerCommand, detach};

/// A command that runs. When this goes out of scope it is killed, with whatever it started.
pub(super) struct Supervised {
    /// The supervisor; `None` once it is left to end.
    supervisor: Option<Child>,
    sender: Sender,
    receiver: Receiver,
}

/// Why there is no exit status of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoStatus {
    #[error("it could not be started")]
    NotStarted(Option<i32>),
    #[error("its supervisor {0}")]
    Lost(String),
}

impl Supervised {
    /// Starts a supervisor, which starts the command.
    ///
    /// # Errors
    /// When the supervisor can't be started.
    pub(super) fn start(worker: &WorkerCommand, prepared: Prepared) -> io::Result<Self> {
        let (sender, receiver, theirs) = daemon_end::pair(MAX_MESSAGE_BYTES)?;
        let mut command = Command::new(&worker.program);
        command
            .args(&worker.args)
            .arg(ARGUMENT)
            .arg(prepared.program)
            .args(prepared.arguments)
            .env_clear()
            .envs(environment_of(prepared.env))
            .stdin(match prepared.input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (folder, max_file_bytes) = (prepared.folder, prepared.max_file_bytes);
        begin_in(&mut command, folder, max_file_bytes, theirs.as_raw_fd());
        let supervisor = command.spawn()?;
        Ok(Self {
            supervisor: Some(supervisor),
            sender,
            receiver,
        })
    }

    /// The child of the daemon, which has the command's streams.
    pub(super) fn child(&mut self) -> Option<&mut Child> {
        self.supervisor.as_mut()
    }

    /// The process id of the supervisor.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.supervisor.as_ref().and_then(pid_of)
    }

    /// Waits for the end of the command. What it started may go on.
    ///
    /// # Errors
    /// When it was not started, and when its supervisor is gone.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, NoStatus> {
        let lost = |reason: String| Err(NoStatus::Lost(reason));
        match self.receiver.receive::<FromSupervisor>().await {
            Ok(Some(received)) => match received.message {
                FromSupervisor::Ended(status) => Ok(status_of(status)),
                FromSupervisor::NotStarted(errno) => Err(NoStatus::NotStarted(errno)),
            },
            Ok(None) => lost("is gone".into()),
            Err(error) => lost(format!("spoke nonsense: {error}")),
        }
    }

    /// Kills the command and whatever it started; gives how it ended.
    ///
    /// # Errors
    /// When its supervisor does not say so.
    pub(super) async fn kill(&mut self) -> Result<ExitStatus, NoStatus> {
        let asked = async {
            let sent = self.sender.send(0, &ToSupervisor::End, None).await;
            sent.map_err(|_| NoStatus::Lost("is gone".into()))?;
            self.ended().await
        };
        let answered = tokio::time::timeout(HELPER_TIMEOUT, asked).await;
        answered.unwrap_or_else(|_| Err(NoStatus::Lost(no_answer())))
    }

    /// Ends what the command has left behind, and waits for that.
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
        // The supervisor does the same, and stays until it is done. But it may be late, and what is done for a run is over
        // before that is answered.
        if let Some(pid) = pid_of(&supervisor) {
            kill_listed_below(pid);
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(end(supervisor))),
            // The daemon itself ends.
            Err(_) => drop(supervisor.try_wait()),
        }
    }
}

/// Waits until a supervisor that was told so has ended, and all below it. One that stands still is helped.
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
    // It is the parent of all below it until it is dead itself.
    let below = tokio::task::spawn_blocking(move || {
        let mut rounds = 0;
        while kill_below(pid) > 0 && rounds < MAX_ROUNDS {
            rounds += 1;
        }
    });
    let _ = below.await;
    let _ = supervisor.kill().await;
}

/// How often what is below a supervisor is looked for before it is given up: what can't be killed is of another user.
const MAX_ROUNDS: u32 = 100;

/// Has a child begin in a folder, with a channel. It and what it starts writes no file that is longer than that.
fn begin_in(command: &mut Command, folder: OwnedFd, max_file_bytes: u64, channel: i32) {
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            // By handle, not by path: nobody can have put a link there in the meantime.
            nix::unistd::fchdir(&folder)?;
            let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
            let longest = max_file_bytes.min(hard);
            setrlimit(Resource::RLIMIT_FSIZE, longest, longest)?;
            detach(channel)
        });
    }
}

/// Waits until a supervisor has been stopped for so long that it is given up.
pub(super) async fn stands_still(supervisor: Option<Pid>) -> NoStatus {
    stopped_for_long(supervisor).await;
    NoStatus::Lost(no_answer())
}
