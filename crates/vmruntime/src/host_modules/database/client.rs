//! The daemon's side of the module: the database process of a session.
//!
//! The process is started with the session's first call. Each run has a mark: `begin` sets it
//! before the first call of the run, `keep` removes it when the run was committed, and `abandon`
//! goes back to it when the run was rolled back. The process is told how a run ended as soon as it
//! is free, because it may hold a lock on a file, and in any case before the next call.
//!
//! A process that does not answer is killed, which rolls its transaction back, and the next call of
//! the script fails with an error that its connection is lost.

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
use vmcontrol::WriteLimits;
use vmcontrol::runtime::BoxFuture;

use super::process::ARGUMENT;
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::module::{Reply, RunOutcome, SessionModule};
use crate::host_modules::broker::session_context::SessionContext;
use crate::ipc::child::{is_stopped, no_answer, pid_of, stopped_for_long};
use crate::ipc::daemon_end::{self, Receiver, Sender};
use crate::ipc::{
    HELPER_TIMEOUT, HostAnswer, HostCall, HostError, MAX_FROM_SESSION_BYTES, prepare_worker,
};

/// The database of one session.
pub(super) struct Database {
    context: Arc<SessionContext>,
    /// Whether the current run has called the module.
    is_in_use: AtomicBool,
    shared: Arc<Shared>,
}

/// The process and what it must still be told. Tasks that outlive their caller share it.
#[derive(Default)]
struct Shared {
    process: AsyncMutex<Option<Process>>,
    /// How the last run that called the module ended; `None` once the process has been told.
    ended: Mutex<Option<RunOutcome>>,
    /// Why the connection was lost that scripts expect to have; `None` if it was not lost, or once
    /// a script got the error.
    loss: Mutex<Option<String>>,
}

/// A database process and the channel to it.
struct Process {
    /// The child, which is killed when this is dropped.
    child: Child,
    sender: Sender,
    receiver: Receiver,
}

/// How the exchange of one call with the process ended.
enum CallOutcome {
    /// The process answered; this is the end of its answer.
    Answered(Box<Process>, HostAnswer),
    /// The caller ended, and the process is killed for this reason.
    GivenUp(String),
    /// The process ended by itself.
    Ended,
    /// The process did not answer in time, and is killed.
    Silent,
}

impl Database {
    /// The module for one session, without a process yet.
    pub(super) fn new(context: &Arc<SessionContext>) -> Self {
        Self {
            context: Arc::clone(context),
            is_in_use: AtomicBool::new(false),
            shared: Arc::default(),
        }
    }

    /// Sends a call to the process, and the answer to the script as it arrives. Returns the end of
    /// the answer. If the future is dropped, the statement is interrupted, and the process goes
    /// back to the mark of the run.
    async fn send_to_process(&self, call: HostCall, answering: Answering) -> HostAnswer {
        let is_first = !self.is_in_use.swap(true, Ordering::Relaxed);
        let (context, shared) = (Arc::clone(&self.context), Arc::clone(&self.shared));
        // Nothing is sent on this channel: its end tells the task that the caller has dropped the
        // future.
        let (caller, caller_gone) = oneshot::channel();
        let exchanging = tokio::spawn(async move {
            let mut slot = shared.process.lock().await;
            shared.report_run_end(&mut slot).await;
            let is_begun = slot.is_some() && !is_first;
            if let Some(loss) = shared.take_loss(&call) {
                return Err(HostError::new(loss));
            }
            let process = match slot.take() {
                Some(process) => process,
                None => start(&context).map_err(|error| failed("can't be started", &error))?,
            };
            let outcome =
                exchange_call(Box::new(process), is_begun, &call, &answering, caller_gone);
            match outcome.await.map_err(|error| failed("failed", &error))? {
                CallOutcome::Answered(process, end) => {
                    *slot = Some(*process);
                    Ok(end)
                }
                CallOutcome::Ended => Err(HostError::new(
                    "the database process ended, and the connection with it: it may have needed too much memory",
                )),
                CallOutcome::Silent => Err(HostError::new(loss_text(&no_answer()))),
                CallOutcome::GivenUp(why) => {
                    shared.note_loss(&why);
                    Err(HostError::new(CALLER_GONE))
                }
            }
        });
        let answered = exchanging.await;
        drop::<oneshot::Sender<()>>(caller);
        let failed = |error| Err(HostError::new(format!("the service failed: {error}")));
        let ended = answered.unwrap_or_else(failed);
        ended.unwrap_or_else(|error: HostError| HostAnswer::End(Err(error)))
    }
}

impl SessionModule for Database {
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply> {
        // The process sends the answer in pieces already.
        let answering = answering.clone();
        Box::pin(async move { Reply::End(self.send_to_process(call, answering).await) })
    }

    /// Waits until the process has been told how the last run ended.
    fn ready(&self) -> Option<BoxFuture<'_, ()>> {
        let is_ready = self.shared.process.try_lock().is_ok() && self.shared.ended().is_none();
        if is_ready {
            return None;
        }
        Some(Box::pin(async {
            // The exchange runs in a task, which continues if the caller does not wait for its end:
            // half of an exchange would cost the connection.
            let _ = tokio::spawn(report_run_end(Arc::clone(&self.shared))).await;
        }))
    }

    fn run_ended(&self, outcome: RunOutcome) {
        if self.is_in_use.swap(false, Ordering::Relaxed) {
            *self.shared.ended() = Some(outcome);
            tokio::spawn(report_run_end(Arc::clone(&self.shared)));
        }
    }

    fn rolled_back(&self) -> Option<BoxFuture<'_, ()>> {
        self.ready()
    }
}

/// Waits for the process and tells it how the last run ended.
async fn report_run_end(shared: Arc<Shared>) {
    let mut slot = shared.process.lock().await;
    shared.report_run_end(&mut slot).await;
}

impl Shared {
    fn ended(&self) -> MutexGuard<'_, Option<RunOutcome>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the process was killed while no caller waited for it.
    fn note_loss(&self, why: &str) {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        *loss = Some(loss_text(why));
    }

    /// The error for a call that expects a connection which was lost. `None` if none was lost, or
    /// if the call opens or closes a database and so expects no connection.
    fn take_loss(&self, call: &HostCall) -> Option<String> {
        let mut loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let expects_nothing = matches!(call.function.as_str(), "configure" | "close");
        loss.take().filter(|_| !expects_nothing)
    }

    /// Tells the process how the last run ended, if it has not been told. A process that does not
    /// answer is killed.
    async fn report_run_end(&self, slot: &mut Option<Process>) {
        let ended = self.ended().take();
        let Some(ended) = ended else { return };
        // The process is put back when it has answered. Otherwise dropping it here kills it, which
        // rolls its transaction back.
        let Some(mut process) = slot.take() else {
            return;
        };
        let call = call_of(match ended {
            RunOutcome::Committed => "keep",
            RunOutcome::RolledBack => "abandon",
        });
        // The client waits for the roll-back, and must not have to wait for a process that is
        // stopped.
        if ended == RunOutcome::RolledBack && process.is_stopped() {
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

/// The reason for which a stopped process is killed once its caller has ended.
const WAS_STOPPED: &str = "was stopped";

/// The error of a call whose caller has ended. No script sees it.
const CALLER_GONE: &str = "the run that called has ended";

/// The error for a script whose connection was lost. `why` is the predicate of a sentence about the
/// process.
fn loss_text(why: &str) -> String {
    format!(
        "the database process {why}, and the connection ended with it: call database.configure again"
    )
}

/// Has the process carry a call out, after a `begin` unless the run `is_begun`. If the caller ends,
/// the call is interrupted.
///
/// # Errors
/// When the channel to the process fails, or the session process has ended.
async fn exchange_call(
    mut process: Box<Process>,
    is_begun: bool,
    call: &HostCall,
    answering: &Answering,
    mut caller_gone: oneshot::Receiver<()>,
) -> io::Result<CallOutcome> {
    let pid = pid_of(&process.child);
    if !is_begun {
        let started = {
            let mark = call_of("begin");
            let marking = tokio::time::timeout(HELPER_TIMEOUT, exchange(&mut process, &mark));
            let mut marking = pin!(marking);
            tokio::select! {
                marked = &mut marking => marked,
                _ = &mut caller_gone => match pid {
                    Some(pid) if is_stopped(pid) => return Ok(CallOutcome::GivenUp(WAS_STOPPED.into())),
                    _ => marking.await,
                },
            }
        };
        match started {
            Ok(started) => match started? {
                Some(Ok(())) => {}
                Some(Err(refused)) => {
                    return Ok(CallOutcome::Answered(
                        process,
                        HostAnswer::End(Err(refused)),
                    ));
                }
                None => return Ok(CallOutcome::Ended),
            },
            Err(_) => return Ok(CallOutcome::Silent),
        }
    }
    if let Err(TryRecvError::Closed) = caller_gone.try_recv() {
        let refused = HostAnswer::End(Err(HostError::new(CALLER_GONE)));
        return Ok(CallOutcome::Answered(process, refused));
    }
    tokio::select! {
        answered = ask(&mut process, call, answering) => {
            return Ok(match answered? {
                Some(end) => CallOutcome::Answered(process, end),
                None => CallOutcome::Ended,
            });
        }
        () = stopped_for_long(pid) => return Ok(CallOutcome::Silent),
        _ = caller_gone => {}
    }
    if process.is_stopped() {
        return Ok(CallOutcome::GivenUp(WAS_STOPPED.into()));
    }
    // Any message interrupts the statement that is being carried out. So the answer to the
    // statement arrives first, and then the answer to `abandon`.
    let rolled_back = tokio::time::timeout(HELPER_TIMEOUT, async {
        process.sender.send(0, &call_of("abandon"), None).await?;
        end_of_answer(&mut process).await?;
        end_of_answer(&mut process).await
    });
    let Ok(rolled_back) = rolled_back.await else {
        return Ok(CallOutcome::GivenUp(no_answer()));
    };
    Ok(match rolled_back? {
        // No script gets this answer.
        Some(rolled_back) => CallOutcome::Answered(process, HostAnswer::of_nothing(rolled_back)),
        None => CallOutcome::GivenUp("ended by itself".into()),
    })
}

/// Sends a call to the process, and the answer to the script as it arrives. Returns the end of the
/// answer; `None` if the process has ended.
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

/// Reads an answer of the process and drops all of it but whether it is an error. Returns `None` if
/// the process has ended.
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

/// A call of the daemon's own, without arguments.
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

/// Sends a call of the daemon's own and waits for the end of its answer. Returns `None` if the
/// process has ended.
async fn exchange(
    process: &mut Process,
    call: &HostCall,
) -> io::Result<Option<Result<(), HostError>>> {
    process.sender.send(0, call, None).await?;
    end_of_answer(process).await
}

/// Starts the process.
fn start(context: &SessionContext) -> io::Result<Process> {
    let (worker, worktree) = (&context.worker, &context.worktree);
    let WriteLimits {
        max_write_bytes,
        min_free_bytes,
    } = *context.allowance.limits();
    let (sender, receiver, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES)?;
    let mut command = Command::new(&worker.program);
    command
        .args(&worker.args)
        .arg(ARGUMENT)
        .arg(max_write_bytes.to_string())
        .arg(min_free_bytes.to_string())
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
