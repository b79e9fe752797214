//! `database`: hands calls to the session's database process, and starts it with the first one.

use std::io;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::process::{Child, Command};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use vmcontrol::{Worktree, WriteLimits};

use super::Answering;
use crate::database::ARGUMENT;
use crate::host::socket::{self, Receiver, Sender};
use crate::host::{WorkerCommand, prepare_worker};
use crate::protocol::{HostAnswer, HostCall, HostError, MAX_FROM_SESSION_BYTES};

/// How long the process may take to take something back before it is killed, which rolls its transaction back too.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(5);

/// The database of one session.
pub(super) struct Database {
    worker: WorkerCommand,
    limits: WriteLimits,
    /// Whether the run has called.
    is_in_use: AtomicBool,
    shared: Arc<Shared>,
}

/// What goes on when nobody waits for it.
#[derive(Default)]
struct Shared {
    process: AsyncMutex<Option<Process>>,
    /// How the last run that called has ended, until the process is told.
    ended: Mutex<Option<Ended>>,
}

/// What becomes of what a run did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Kept,
    TakenBack,
}

struct Process {
    /// Killed when this goes out of scope.
    _child: Child,
    sender: Sender,
    receiver: Receiver,
}

impl Database {
    pub(super) fn new(worker: WorkerCommand, limits: WriteLimits) -> Self {
        Self {
            worker,
            limits,
            is_in_use: AtomicBool::new(false),
            shared: Arc::default(),
        }
    }

    /// Hands a call on, and its answer as it comes; gives the end of that. When the future is dropped the statement is
    /// interrupted, and what the run did is taken back.
    pub(super) async fn call(
        &self,
        worktree: &Arc<Worktree>,
        call: HostCall,
        answering: Answering,
    ) -> HostAnswer {
        let is_first = !self.is_in_use.swap(true, Ordering::Relaxed);
        let (worker, limits, worktree) = (self.worker.clone(), self.limits, Arc::clone(worktree));
        let shared = Arc::clone(&self.shared);
        let (waiting, nobody_waits) = oneshot::channel();
        let called = tokio::spawn(async move {
            let mut slot = shared.process.lock().await;
            shared.settle(&mut slot).await;
            let is_begun = slot.is_some() && !is_first;
            let process = match slot.take() {
                Some(process) => process,
                None => start(&worker, limits, &worktree)
                    .map_err(|error| failed("can't be started", &error))?,
            };
            let answered = hand_on(process, is_begun, &call, &answering, nobody_waits).await;
            let answered = answered.map_err(|error| failed("failed", &error))?;
            let (process, end) = answered.ok_or_else(|| {
                HostError::new(
                    "the database process ended, and the connection with it: it may have needed too much memory",
                )
            })?;
            *slot = Some(process);
            Ok(end)
        });
        let answered = called.await;
        drop::<oneshot::Sender<()>>(waiting);
        let failed = |error| Err(HostError::new(format!("the service failed: {error}")));
        let ended = answered.unwrap_or_else(failed);
        ended.unwrap_or_else(|error: HostError| HostAnswer::End(Err(error)))
    }

    /// Notes how a run ended. The process hears of it before the next call, and soon: it may hold a lock on a file.
    pub(super) fn run_ended(&self, ended: Ended) {
        if self.is_in_use.swap(false, Ordering::Relaxed) {
            *self.shared.ended() = Some(ended);
            tokio::spawn(settle(Arc::clone(&self.shared)));
        }
    }

    /// Waits until the process knows how the last run ended.
    pub(super) async fn settled(&self) {
        let is_settled = self.shared.process.try_lock().is_ok() && self.shared.ended().is_none();
        if !is_settled {
            // It goes on when nobody waits for it: half of it would cost the connection.
            let _ = tokio::spawn(settle(Arc::clone(&self.shared))).await;
        }
    }
}

async fn settle(shared: Arc<Shared>) {
    let mut slot = shared.process.lock().await;
    shared.settle(&mut slot).await;
}

impl Shared {
    fn ended(&self) -> MutexGuard<'_, Option<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(&self, slot: &mut Option<Process>) {
        let ended = self.ended().take();
        let Some(ended) = ended else { return };
        // Until it has answered it is not put back: if it does not, it ends.
        let Some(mut process) = slot.take() else {
            return;
        };
        let call = call_of(match ended {
            Ended::Kept => "keep",
            Ended::TakenBack => "abandon",
        });
        let answered = tokio::time::timeout(ABANDON_TIMEOUT, exchange(&mut process, &call)).await;
        if let Ok(Ok(Some(HostAnswer::End(Ok(_))))) = answered {
            *slot = Some(process);
        }
    }
}

/// Hands a call to the process, and gives both it and its answer; nothing if it has ended. If nobody waits any more the call
/// is interrupted.
async fn hand_on(
    mut process: Process,
    is_begun: bool,
    call: &HostCall,
    answering: &Answering,
    mut nobody_waits: oneshot::Receiver<()>,
) -> io::Result<Option<(Process, HostAnswer)>> {
    if !is_begun {
        match exchange(&mut process, &call_of("begin")).await? {
            Some(HostAnswer::End(Ok(_))) => {}
            Some(refused) => return Ok(Some((process, refused))),
            None => return Ok(None),
        }
    }
    if let Err(TryRecvError::Closed) = nobody_waits.try_recv() {
        let error = HostError::new("nobody waits for it");
        return Ok(Some((process, HostAnswer::End(Err(error)))));
    }
    process.sender.send(0, call, None).await?;
    tokio::select! {
        ended = pass_on(&mut process, answering) => {
            return Ok(ended?.map(|end| (process, end)));
        }
        // Nothing is ever sent there.
        _ = nobody_waits => {}
    }
    // The next message interrupts what goes on.
    let taken_back = tokio::time::timeout(ABANDON_TIMEOUT, async {
        process.sender.send(0, &call_of("abandon"), None).await?;
        end_of_answer(&mut process).await?;
        end_of_answer(&mut process).await
    });
    let Ok(taken_back) = taken_back.await else {
        return Ok(None);
    };
    Ok(taken_back?.map(|end| (process, end)))
}

/// Hands an answer on to the script as it comes; gives its end, or nothing if the process has ended.
async fn pass_on(process: &mut Process, answering: &Answering) -> io::Result<Option<HostAnswer>> {
    loop {
        let Some(received) = process.receiver.receive::<HostAnswer>().await? else {
            return Ok(None);
        };
        match received.message {
            end @ HostAnswer::End(_) => return Ok(Some(end)),
            piece @ HostAnswer::Piece { .. } => answering.pass_on(piece).await?,
        }
    }
}

/// The end of an answer of which nobody wants to know more; nothing if the process has ended.
async fn end_of_answer(process: &mut Process) -> io::Result<Option<HostAnswer>> {
    loop {
        let Some(received) = process.receiver.receive::<HostAnswer>().await? else {
            return Ok(None);
        };
        if let end @ HostAnswer::End(_) = received.message {
            return Ok(Some(end));
        }
    }
}

/// A call without arguments, of the daemon's own.
fn call_of(function: &str) -> HostCall {
    HostCall {
        module: "database".into(),
        function: function.into(),
        args: no_args(),
        body: Bytes::new(),
    }
}

fn no_args() -> Box<RawValue> {
    // An empty array is JSON.
    RawValue::from_string("[]".into()).unwrap_or_default()
}

fn failed(what: &str, error: &io::Error) -> HostError {
    HostError::new(format!("the database process {what}: {error}"))
}

async fn exchange(process: &mut Process, call: &HostCall) -> io::Result<Option<HostAnswer>> {
    process.sender.send(0, call, None).await?;
    end_of_answer(process).await
}

fn start(worker: &WorkerCommand, limits: WriteLimits, worktree: &Worktree) -> io::Result<Process> {
    let (sender, receiver, theirs) = socket::pair(MAX_FROM_SESSION_BYTES)?;
    let mut command = Command::new(&worker.program);
    command
        .args(&worker.args)
        .arg(ARGUMENT)
        .arg(limits.max_write_bytes.to_string())
        .arg(limits.min_free_bytes.to_string())
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
