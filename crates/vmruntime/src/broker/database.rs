//! `database`: hands calls to the session's database process, and starts it with the first one.

use std::io;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use vmcontrol::Worktree;

use crate::database::ARGUMENT;
use crate::host::socket::{self, Receiver, Sender};
use crate::host::{WorkerCommand, prepare_worker};
use crate::protocol::{HostCall, HostError, HostReply, MAX_FROM_SESSION_BYTES};

/// How long the roll-back of a transaction may take before its process is killed, which rolls it back too.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(10);

/// The database of one session.
pub(super) struct Database {
    worker: WorkerCommand,
    /// Whether a run was rolled back since the last call, and its transaction, if it left one open, was not yet.
    abandoned: AtomicBool,
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
            abandoned: AtomicBool::new(false),
            process: Mutex::default(),
        }
    }

    /// Hands a call on. Dropping the future kills the process in the middle of the call, and with it the connection: a
    /// statement that nobody waits for any more does not go on.
    pub(super) async fn call(&self, worktree: &Worktree, call: &HostCall) -> HostReply {
        let mut slot = self.process.lock().await;
        self.settle(&mut slot).await;
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

    /// Notes that a run was rolled back: the next call finds no transaction of it, even if it comes before
    /// [`roll_back`](Self::roll_back).
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Rolls the transaction of an abandoned run back, so that it keeps no lock on a database until the next call.
    pub(super) async fn roll_back(&self) {
        let mut slot = self.process.lock().await;
        self.settle(&mut slot).await;
    }

    async fn settle(&self, slot: &mut Option<Process>) {
        if !self.abandoned.swap(false, Ordering::AcqRel) {
            return;
        }
        // Until it has answered it is not put back: if this future is dropped, the process ends.
        let Some(mut process) = slot.take() else {
            return;
        };
        let call = HostCall {
            module: "database".into(),
            function: "abandon".into(),
            args: no_args(),
        };
        let answered = tokio::time::timeout(ABANDON_TIMEOUT, exchange(&mut process, &call)).await;
        if let Ok(Ok(Some(Ok(_)))) = answered {
            *slot = Some(process);
        }
    }
}

fn no_args() -> Box<RawValue> {
    // An empty array is JSON.
    RawValue::from_string("[]".into()).unwrap_or_default()
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
