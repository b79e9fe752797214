//! `database`: hands calls to the session's database process, and starts it with the first one.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::process::{Child, Command};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use vmcontrol::{Worktree, WriteLimits};

use crate::host_modules::Answering;
use crate::host_modules::database::process::ARGUMENT;
use crate::ipc::child::{is_stopped, no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{HELPER_TIMEOUT, HostAnswer, HostCall, HostError, MAX_FROM_SESSION_BYTES};
use crate::ipc::{WorkerCommand, prepare_worker};

/// The database of one session.
pub(crate) struct Database {
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
    /// Why the connection is gone that scripts believe to have, until one is told.
    loss: Mutex<Option<String>>,
}

/// What becomes of what a run did.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    Kept,
    TakenBack,
}

struct Process {
    /// Killed when this goes out of scope.
    child: Child,
    sender: Sender,
    receiver: Receiver,
}

/// What came of a call.
enum Handed {
    /// It was answered.
    Answered(Box<Process>, HostAnswer),
    /// Nobody waits for an answer any more, and the process is killed, for this reason.
    GivenUp(String),
    /// The process ended by itself.
    Ended,
    /// The process did not answer, and is killed.
    Silent,
}

impl Database {
    pub(crate) fn new(worker: WorkerCommand, limits: WriteLimits) -> Self {
        Self {
            worker,
            limits,
            is_in_use: AtomicBool::new(false),
            shared: Arc::default(),
        }
    }

    /// Hands a call on, and its answer as it comes; gives the end of that. When the future is dropped the statement is
    /// interrupted, and what the run did is taken back.
    pub(crate) async fn call(
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
            if let Some(loss) = shared.take_loss(&call) {
                return Err(HostError::new(loss));
            }
            let process = match slot.take() {
                Some(process) => process,
                None => start(&worker, limits, &worktree)
                    .map_err(|error| failed("can't be started", &error))?,
            };
            let handed = hand_on(Box::new(process), is_begun, &call, &answering, nobody_waits);
            match handed.await.map_err(|error| failed("failed", &error))? {
                Handed::Answered(process, end) => {
                    *slot = Some(*process);
                    Ok(end)
                }
                Handed::Ended => Err(HostError::new(
                    "the database process ended, and the connection with it: it may have needed too much memory",
                )),
                Handed::Silent => Err(HostError::new(loss_text(&no_answer()))),
                Handed::GivenUp(why) => {
                    shared.note_loss(&why);
                    Err(HostError::new("nobody waits for it"))
                }
            }
        });
        let answered = called.await;
        drop::<oneshot::Sender<()>>(waiting);
        let failed = |error| Err(HostError::new(format!("the service failed: {error}")));
        let ended = answered.unwrap_or_else(failed);
        ended.unwrap_or_else(|error: HostError| HostAnswer::End(Err(error)))
    }

    /// Notes how a run ended. The process hears of it before the next call, and soon: it may hold a lock on a file.
    pub(crate) fn run_ended(&self, ended: Ended) {
        if self.is_in_use.swap(false, Ordering::Relaxed) {
            *self.shared.ended() = Some(ended);
            tokio::spawn(settle(Arc::clone(&self.shared)));
        }
    }

    /// Waits until the process knows how the last run ended.
    pub(crate) async fn settled(&self) {
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

    /// Notes that the process was killed, since it did not answer when nobody waited for it.
    fn note_loss(&self, why: &str) {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        *loss = Some(loss_text(why));
    }

    /// Why a call can't find what it expects. One that opens or closes a database expects nothing.
    fn take_loss(&self, call: &HostCall) -> Option<String> {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let expects_nothing = matches!(call.function.as_str(), "configure" | "close");
        loss.take().filter(|_| !expects_nothing)
    }

    async fn settle(&self, slot: &mut Option<Process>) {
        let ended = self.ended().take();
        let Some(ended) = ended else { return };
        // Until it has answered it is not put back: if it does not, it ends, and its transaction is rolled back.
        let Some(mut process) = slot.take() else {
            return;
        };
        let call = call_of(match ended {
            Ended::Kept => "keep",
            Ended::TakenBack => "abandon",
        });
        // One that is stopped keeps nobody waiting.
        if matches!(ended, Ended::TakenBack) && process.is_stopped() {
            return self.note_loss(WAS_STOPPED);
        }
        let answered = tokio::time::timeout(HELPER_TIMEOUT, exchange(&mut process, &call));
        match answered.await {
            Ok(Ok(Some(Ok(())))) => *slot = Some(process),
            Ok(Ok(Some(Err(error)))) => self.note_loss(&format!("failed: {}", error.message)),
            Ok(Ok(None)) => self.note_loss("ended by itself"),
            Ok(Err(error)) => self.note_loss(&format!("failed: {error}")),
            Err(_) => self.note_loss(&no_answer()),
        }
    }
}

impl Process {
    fn is_stopped(&self) -> bool {
        pid_of(&self.child).is_some_and(is_stopped)
    }
}

/// Why a process is given up that nobody waits for any more.
const WAS_STOPPED: &str = "was stopped";

/// What a script is told whose connection is lost, since the process did that.
fn loss_text(why: &str) -> String {
    format!(
        "the database process {why}, and the connection ended with it: call database.configure again"
    )
}

/// Hands a call to the process. If nobody waits any more the call is interrupted.
async fn hand_on(
    mut process: Box<Process>,
    is_begun: bool,
    call: &HostCall,
    answering: &Answering,
    mut nobody_waits: oneshot::Receiver<()>,
) -> io::Result<Handed> {
    let pid = pid_of(&process.child);
    if !is_begun {
        let started = {
            let mark = call_of("begin");
            let marking = tokio::time::timeout(HELPER_TIMEOUT, exchange(&mut process, &mark));
            let mut marking = pin!(marking);
            tokio::select! {
                marked = &mut marking => marked,
                // Nothing is ever sent there.
                _ = &mut nobody_waits => match pid {
                    Some(pid) if is_stopped(pid) => return Ok(Handed::GivenUp(WAS_STOPPED.into())),
                    _ => marking.await,
                },
            }
        };
        match started {
            Ok(started) => match started? {
                Some(Ok(())) => {}
                Some(Err(refused)) => {
                    return Ok(Handed::Answered(process, HostAnswer::End(Err(refused))));
                }
                None => return Ok(Handed::Ended),
            },
            Err(_) => return Ok(Handed::Silent),
        }
    }
    if let Err(TryRecvError::Closed) = nobody_waits.try_recv() {
        let refused = HostAnswer::End(Err(HostError::new("nobody waits for it")));
        return Ok(Handed::Answered(process, refused));
    }
    tokio::select! {
        answered = ask(&mut process, call, answering) => {
            return Ok(match answered? {
                Some(end) => Handed::Answered(process, end),
                None => Handed::Ended,
            });
        }
        () = stopped_for_long(pid) => return Ok(Handed::Silent),
        _ = nobody_waits => {}
    }
    if process.is_stopped() {
        return Ok(Handed::GivenUp(WAS_STOPPED.into()));
    }
    // The next message interrupts what goes on.
    let taken_back = tokio::time::timeout(HELPER_TIMEOUT, async {
        process.sender.send(0, &call_of("abandon"), None).await?;
        end_of_answer(&mut process).await?;
        end_of_answer(&mut process).await
    });
    let Ok(taken_back) = taken_back.await else {
        return Ok(Handed::GivenUp(no_answer()));
    };
    Ok(match taken_back? {
        // Nobody waits for it.
        Some(taken_back) => Handed::Answered(process, HostAnswer::of_nothing(taken_back)),
        None => Handed::GivenUp("ended by itself".into()),
    })
}

/// Hands a call to the process, and its answer on to the script as it comes; gives the end of that, or nothing if the process has
/// ended.
async fn ask(
    process: &mut Process,
    call: &HostCall,
    answering: &Answering,
) -> io::Result<Option<HostAnswer>> {
    process.sender.send(0, call, None).await?;
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

/// How an answer ends of which nobody wants to know more; nothing if the process has ended.
async fn end_of_answer(process: &mut Process) -> io::Result<Option<Result<(), HostError>>> {
    loop {
        let Some(received) = process.receiver.receive::<HostAnswer>().await? else {
            return Ok(None);
        };
        if let HostAnswer::End(end) = received.message {
            return Ok(Some(end.map(drop)));
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

async fn exchange(
    process: &mut Process,
    call: &HostCall,
) -> io::Result<Option<Result<(), HostError>>> {
    process.sender.send(0, call, None).await?;
    end_of_answer(process).await
}

fn start(worker: &WorkerCommand, limits: WriteLimits, worktree: &Worktree) -> io::Result<Process> {
    let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES)?;
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
        child,
        sender,
        receiver,
    })
}
