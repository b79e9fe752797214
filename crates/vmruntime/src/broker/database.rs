//! `database`: hands calls to the session's database process, and starts it with the first one.

use std::io;
use std::os::fd::AsRawFd;
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use vmcontrol::Worktree;

use crate::database::ARGUMENT;
use crate::host::socket::{self, Receiver, Sender};
use crate::host::{WorkerCommand, prepare_worker};
use crate::protocol::{HostCall, HostError, HostReply, MAX_FROM_SESSION_BYTES};

/// The database of one session.
pub(super) struct Database {
    worker: WorkerCommand,
    process: Mutex<Option<Process>>,
}

struct Process {
    /// Killed when this goes out of scope.
    _child: Child,
    sender: Sender,
    receiver: Receiver,
}

impl Database {
    pub(super) fn new(worker: WorkerCommand) -> Self {
        Self {
            worker,
            process: Mutex::default(),
        }
    }

    /// Hands a call on. Dropping the future kills the process in the middle of the call, and with it the connection: a
    /// statement that nobody waits for any more does not go on.
    pub(super) async fn call(&self, worktree: &Worktree, call: &HostCall) -> HostReply {
        let mut slot = self.process.lock().await;
        let mut process = match slot.take() {
            Some(process) => process,
            None => {
                start(&self.worker, worktree).map_err(|error| failed("can't be started", &error))?
            }
        };
        let answered = exchange(&mut process, call).await;
        match answered {
            Ok(Some(reply)) => {
                *slot = Some(process);
                reply
            }
            Ok(None) => Err(HostError::new(
                "the database process ended, and the connection with it: it may have needed too much memory",
            )),
            Err(error) => Err(failed("failed", &error)),
        }
    }
}

fn failed(what: &str, error: &io::Error) -> HostError {
    HostError::new(format!("the database process {what}: {error}"))
}

async fn exchange(process: &mut Process, call: &HostCall) -> io::Result<Option<HostReply>> {
    process.sender.send(0, call, None).await?;
    let received = process.receiver.receive::<HostReply>().await?;
    Ok(received.map(|received| received.message))
}

fn start(worker: &WorkerCommand, worktree: &Worktree) -> io::Result<Process> {
    let (sender, receiver, theirs) = socket::pair(MAX_FROM_SESSION_BYTES)?;
    let mut command = Command::new(&worker.program);
    command
        .args(&worker.args)
        .arg(ARGUMENT)
        .arg(worktree.path())
        .args(worktree.guarded())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    prepare_worker(&mut command, theirs.as_raw_fd());
    let child = command.spawn()?;
    Ok(Process {
        _child: child,
        sender,
        receiver,
    })
}
