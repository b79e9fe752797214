//! Executions: one snippet or one file run in a session, recorded with everything it does.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Limits, LimitsPatch, Metrics,
    Timestamp,
};

use crate::recorder::{Ending, Recorder, failure_payload, payload};
use crate::registry::{BusyGuard, LiveSession};
use crate::runtime::{
    Failure, FailureCode, Outcome, RunEnd, RunMode, RunRequest, RunUpdate, SessionEnd,
};
use crate::session::{blocking, to_the_end};
use crate::settings;
use crate::store;
use crate::{Control, Error, Result};

/// The largest script, in bytes.
pub const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// The largest number of executions that one listing gives.
const MAX_LIMIT: u32 = 10_000;

/// A file to run.
#[derive(Clone, Debug)]
pub struct FileRun {
    /// The path in the worktree.
    pub path: String,
    /// What the script sees as `__ARGS__`.
    pub args: Map<String, Value>,
    /// What the script sees as `__ENV__`.
    pub env: Map<String, Value>,
    /// Limits below those of the session.
    pub limits: LimitsPatch,
}

/// What is about to be run and recorded.
pub(crate) struct Run {
    execution: Execution,
    echo: String,
    request: RunRequest,
}

impl Run {
    fn repl(session_id: Uuid, input: String, limits: Limits) -> Self {
        let mut execution = new_execution(session_id, ExecutionKind::Repl);
        execution.input = Some(input.clone());
        execution.args = payload(&json!([]));
        Self {
            execution,
            echo: input.clone(),
            request: RunRequest {
                source: input,
                name: "repl".into(),
                mode: RunMode::Repl,
                limits,
            },
        }
    }

    fn file(session_id: Uuid, file: FileRun, source: String, limits: Limits) -> Self {
        let mut execution = new_execution(session_id, ExecutionKind::RunFile);
        execution.path = Some(file.path.clone());
        execution.args = payload(&file.args);
        execution.env = payload(&file.env);
        let mode = RunMode::File {
            args: execution.args.clone(),
            env: execution.env.clone(),
        };
        Self {
            execution,
            echo: file.path.clone(),
            request: RunRequest {
                source,
                name: file.path,
                mode,
                limits,
            },
        }
    }

    /// A startup file, in one of the modes of the catalogue.
    pub(crate) fn startup(
        session_id: Uuid,
        path: &str,
        mode: &str,
        source: String,
        limits: Limits,
    ) -> Self {
        let mut execution = new_execution(session_id, ExecutionKind::Startup);
        execution.path = Some(path.to_owned());
        Self {
            execution,
            echo: path.to_owned(),
            request: RunRequest {
                source,
                name: path.to_owned(),
                mode: if mode == "import" {
                    RunMode::Module
                } else {
                    RunMode::Startup
                },
                limits,
            },
        }
    }
}

fn new_execution(session_id: Uuid, kind: ExecutionKind) -> Execution {
    Execution {
        id: Uuid::new_v4(),
        session_id,
        kind,
        input: None,
        path: None,
        args: payload(&json!({})),
        env: payload(&json!({})),
        status: ExecutionStatus::Running,
        started_at: Timestamp::now(),
        ended_at: None,
        result: None,
        error: None,
        metrics: Metrics::default(),
    }
}

impl Control {
    /// Runs a snippet, with limits that may be lower than the session's, and answers when it has ended and is on disk.
    ///
    /// # Errors
    /// [`Error::Validation`] for limits that are not, [`Error::SessionNotFound`], [`Error::SessionNotReady`], [`Error::SessionBusy`],
    /// [`Error::OutputLimitExceeded`], [`Error::Unavailable`]. A script's exception is no error here.
    pub async fn run_repl(
        &self,
        session_id: Uuid,
        input: String,
        limits: &LimitsPatch,
    ) -> Result<Execution> {
        let (live, taken) = self.take(session_id).await?;
        let limits = settings::lower(&live.policy.limits, limits)?;
        let run = Run::repl(session_id, input, limits);
        self.run(live, taken, run).await
    }

    /// Runs a file of the worktree, and answers when it has ended and is on disk.
    ///
    /// # Errors
    /// As [`run_repl`](Self::run_repl), and [`Error::InvalidPath`], [`Error::FileNotFound`], [`Error::FileTooLarge`].
    pub async fn run_file(&self, session_id: Uuid, file: FileRun) -> Result<Execution> {
        let (live, taken) = self.take(session_id).await?;
        let limits = settings::lower(&live.policy.limits, &file.limits)?;
        let (worktree, path) = (Arc::clone(&live.worktree), file.path.clone());
        let source = blocking(move || worktree.read_script(&path, MAX_SOURCE_BYTES)).await?;
        let run = Run::file(session_id, file, source, limits);
        self.run(live, taken, run).await
    }

    /// Cancels an execution that runs: it is rolled back and ends as `cancelled`. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn cancel_execution(&self, id: Uuid) -> Result<Execution> {
        let execution = self.get_execution(id).await?;
        let live = self.inner().registry.get(execution.session_id);
        if let Some(live) = live.filter(|live| live.running() == Some(id)) {
            if let Some(runtime) = live.runtime() {
                runtime.cancel();
            }
            // The session is free once the execution's end is stored.
            drop(live.take().await);
        }
        self.get_execution(id).await
    }

    /// An execution's record.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn get_execution(&self, id: Uuid) -> Result<Execution> {
        self.store()
            .read(move |connection| store::execution::get(connection, id))
            .await?
            .ok_or(Error::ExecutionNotFound { execution_id: id })
    }

    /// The newest executions of a session.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::Validation`] for a limit of zero.
    pub async fn list_executions(&self, session_id: Uuid, limit: u32) -> Result<Vec<Execution>> {
        if limit == 0 {
            return Err(Error::validation("limit must be a positive integer"));
        }
        self.get_session(session_id).await?;
        let limit = limit.min(MAX_LIMIT);
        Ok(self
            .store()
            .read(move |connection| store::execution::list(connection, session_id, limit))
            .await?)
    }

    /// The stored events of an execution with a `seq` above `after_seq`.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn list_events(&self, execution_id: Uuid, after_seq: u64) -> Result<Vec<Event>> {
        self.get_execution(execution_id).await?;
        Ok(self
            .store()
            .read(move |connection| store::event::list(connection, execution_id, after_seq))
            .await?)
    }

    /// Takes a live session for an execution, or says why it can't be had.
    async fn take(&self, session_id: Uuid) -> Result<(Arc<LiveSession>, BusyGuard)> {
        if let Some(live) = self.inner().registry.get(session_id) {
            let taken = live.try_take()?;
            return Ok((live, taken));
        }
        let session = self.get_session(session_id).await?;
        Err(Error::SessionNotReady {
            session_id,
            status: session.status,
        })
    }

    async fn run(&self, live: Arc<LiveSession>, taken: BusyGuard, run: Run) -> Result<Execution> {
        let work = self.inner().begin_work()?;
        let control = self.clone();
        to_the_end(async move {
            let execution = run_recorded(&control, &live, run).await;
            drop((taken, work));
            execution
        })
        .await
    }
}

/// Runs in a session that the caller has taken, and records it.
pub(crate) async fn run_recorded(
    control: &Control,
    live: &LiveSession,
    run: Run,
) -> Result<Execution> {
    let runtime = live
        .runtime()
        .ok_or_else(|| Error::internal("a session runs code before it has a runtime"))?;
    let inner = control.inner();
    let mut recorder =
        Recorder::start(inner.store.clone(), inner.listener.clone(), run.execution).await?;
    recorder.record(EventType::InputEcho, payload(&json!({"text": run.echo})));
    live.set_running(Some(recorder.execution().id));
    let mut updates = runtime.run(run.request);
    let followed = follow(&mut recorder, &mut updates, live).await;
    live.set_running(None);
    let end = match followed {
        Ok(end) => end,
        Err(error) => {
            // The script goes on: nobody else gets the session before it has ended.
            run_out(&mut updates).await;
            recorder.end_later();
            return Err(unrecorded(error));
        }
    };
    let execution = recorder.execution().clone();
    match end {
        Some(Failure {
            code: FailureCode::OutputLimit,
            message,
            ..
        }) => Err(Error::OutputLimitExceeded {
            execution_id: execution.id,
            session_id: live.id,
            message,
        }),
        _ => Ok(execution),
    }
}

/// Waits for the end of a run that can't be recorded. It may do nothing to the world any more.
async fn run_out(updates: &mut mpsc::Receiver<RunUpdate>) {
    while let Some(update) = updates.recv().await {
        match update {
            RunUpdate::Event(_) | RunUpdate::Ended(_) => {}
            RunUpdate::BeforeHostCall(go_on) => drop(go_on),
            RunUpdate::Committed | RunUpdate::RolledBack(_) | RunUpdate::SessionLost(_) => return,
        }
    }
}

/// A retry is not what helps here: the session may hold what the script did.
fn unrecorded(error: Error) -> Error {
    match error {
        Error::Unavailable { message } => Error::Unavailable {
            message: format!(
                "the execution ran, but could not be recorded: {message}; look at the session's state before you run it again"
            ),
        },
        other => other,
    }
}

/// Records what happens until the execution's end is on disk; returns why it was rolled back, if it was.
async fn follow(
    recorder: &mut Recorder,
    updates: &mut mpsc::Receiver<RunUpdate>,
    live: &LiveSession,
) -> Result<Option<Failure>> {
    loop {
        match next_update(recorder, updates).await? {
            RunUpdate::Event(event) => recorder.record(event.kind, event.payload),
            RunUpdate::BeforeHostCall(go_on) => {
                recorder.sync().await?;
                // The session may have died meanwhile.
                let _ = go_on.send(());
            }
            // The disk's part of the commit runs while the session does its own.
            RunUpdate::Ended(end) => record_end(recorder, end).await?,
            RunUpdate::Committed => return Ok(None),
            RunUpdate::RolledBack(failure) => {
                record_failure(recorder, &failure).await?;
                return Ok(Some(failure));
            }
            RunUpdate::SessionLost(end) => {
                let failure = loss(live, &end);
                record_failure(recorder, &failure).await?;
                return Ok(Some(failure));
            }
        }
    }
}

/// Waits for the next update; meanwhile buffered events go to the store when they are due.
async fn next_update(
    recorder: &mut Recorder,
    updates: &mut mpsc::Receiver<RunUpdate>,
) -> Result<RunUpdate> {
    loop {
        if recorder.is_due() {
            recorder.flush().await?;
        }
        let update = match recorder.flush_at() {
            None => updates.recv().await,
            Some(at) => match tokio::time::timeout_at(at.into(), updates.recv()).await {
                Ok(update) => update,
                Err(_) => continue,
            },
        };
        return Ok(update.unwrap_or_else(|| {
            RunUpdate::SessionLost(SessionEnd {
                reason: "the session's supervisor is gone".into(),
            })
        }));
    }
}

/// Records how a script ended by itself.
async fn record_end(recorder: &mut Recorder, end: RunEnd) -> Result<()> {
    let usage = Some(end.usage);
    let ending = match end.outcome {
        Outcome::Value(value) => {
            recorder.record(EventType::Value, value.clone());
            Ending {
                status: ExecutionStatus::Ok,
                result: Some(value),
                error: None,
                usage,
            }
        }
        Outcome::Exception(exception) => {
            recorder.record(EventType::Exception, exception.clone());
            Ending {
                status: ExecutionStatus::Error,
                result: None,
                error: Some(exception),
                usage,
            }
        }
    };
    Ok(recorder.end(ending).await?)
}

/// Records that an execution was undone.
async fn record_failure(recorder: &mut Recorder, failure: &Failure) -> Result<()> {
    let error = failure_payload(failure.code, &failure.message, true);
    let status = match failure.code {
        FailureCode::WallTimeLimit | FailureCode::CpuTimeLimit => ExecutionStatus::Timeout,
        FailureCode::Cancelled => ExecutionStatus::Cancelled,
        FailureCode::MemoryLimit
        | FailureCode::OutputLimit
        | FailureCode::StackOverflow
        | FailureCode::Deadlock
        | FailureCode::RuntimeCrashed => ExecutionStatus::Error,
    };
    if status != ExecutionStatus::Error || failure.code == FailureCode::OutputLimit {
        let text = json!({"message": failure.message, "level": "error"});
        recorder.record(EventType::System, payload(&text));
    }
    if status == ExecutionStatus::Error {
        recorder.record(EventType::Exception, error.clone());
    }
    let ending = Ending {
        status,
        result: None,
        error: Some(error),
        usage: failure.usage,
    };
    Ok(recorder.end(ending).await?)
}

/// What the loss of a session means for what ran in it.
fn loss(live: &LiveSession, end: &SessionEnd) -> Failure {
    match live.closing() {
        Some(reason) => Failure {
            code: FailureCode::Cancelled,
            message: format!("cancelled: {reason}"),
            usage: None,
        },
        None => Failure {
            code: FailureCode::RuntimeCrashed,
            message: format!("the session is gone: {}", end.reason),
            usage: None,
        },
    }
}
