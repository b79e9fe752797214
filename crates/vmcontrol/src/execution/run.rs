//! Executions: one snippet or one file run in a session, recorded with everything it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmapi_types::{
    EventType, Execution, ExecutionKind, ExecutionStatus, Limits, Metrics, RawJson, Timestamp,
};

use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::failure::{failure_payload, payload};
use crate::execution::recorder::{Ending, Recorder};
use crate::execution::request::FileRun;
use crate::execution::running::RunningGuard;
use crate::execution::source::Source;
use crate::runtime::{
    Failure, FailureCode, Outcome, RunMode, RunRequest, RunResult, RunUpdate, SessionEnd, Usage,
};
use crate::session::registry::RegisteredSession;
use crate::store::{ExecutionFilter, ExecutionQuery, Page, Portion, Within, execution_as_seen};
use crate::{Control, Error, Result};

/// How long the end of a cancelled execution is waited for.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest number of executions that one listing gives.
const MAX_LIMIT: u32 = 10_000;

/// What is about to be run and recorded.
pub(crate) struct Run {
    execution: Execution,
    /// The payload of its first event.
    echo: RawJson,
    request: RunRequest,
}

impl Run {
    pub(crate) fn repl(session_id: Uuid, id: Uuid, input: String, limits: Limits) -> Self {
        let mut execution = new_execution(session_id, id, ExecutionKind::Repl);
        execution.input = Some(input.clone());
        execution.args = payload(&json!([]));
        Self {
            execution,
            echo: echo(&input),
            request: RunRequest {
                source: input.into(),
                name: "repl".into(),
                mode: RunMode::Repl,
                limits,
                // The request that it came with is bounded itself.
                charge: Arc::default(),
            },
        }
    }

    pub(crate) fn file(
        session_id: Uuid,
        id: Uuid,
        file: FileRun,
        source: Source,
        limits: Limits,
    ) -> Self {
        let mut execution = new_execution(session_id, id, ExecutionKind::RunFile);
        execution.path = Some(file.path.clone());
        execution.args = file.args.into_raw();
        execution.env = file.env.into_raw();
        let mode = RunMode::File {
            args: execution.args.clone(),
            env: execution.env.clone(),
        };
        Self {
            execution,
            echo: echo(&file.path),
            request: RunRequest {
                source: source.text,
                name: file.path,
                mode,
                limits,
                charge: Arc::new(source.charge),
            },
        }
    }

    /// A startup file, in one of the modes of the catalogue.
    pub(crate) fn startup(
        session_id: Uuid,
        id: Uuid,
        path: &str,
        mode: &str,
        source: Source,
        limits: Limits,
    ) -> Self {
        let mut execution = new_execution(session_id, id, ExecutionKind::Startup);
        execution.path = Some(path.to_owned());
        Self {
            execution,
            echo: echo(path),
            request: RunRequest {
                source: source.text,
                name: path.to_owned(),
                mode: if mode == "import" {
                    RunMode::Module
                } else {
                    RunMode::Startup
                },
                limits,
                charge: Arc::new(source.charge),
            },
        }
    }
}

/// The payload of an event that says what is run.
fn echo(text: &str) -> RawJson {
    payload(&BTreeMap::from([("text", text)]))
}

pub(crate) fn new_execution(session_id: Uuid, id: Uuid, kind: ExecutionKind) -> Execution {
    Execution {
        id,
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
    /// Cancels an execution that runs: it is rolled back and ends as `cancelled`. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn cancel_execution(&self, id: Uuid) -> Result<Charged<Execution>> {
        // Its record may not be on disk yet.
        if let Some(running) = self.inner().executions.get(id) {
            // Whoever runs it looks at this once it can be cancelled; if it can be already, that is done here.
            running.cancel();
            let live = self.inner().registry.get(running.session_id);
            if let Some(live) = live.filter(|live| live.running() == Some(id))
                && let Some(runtime) = live.runtime()
            {
                runtime.cancel(id);
            }
            // If the store takes no end for now, its record is answered as it stands.
            let _ = tokio::time::timeout(END_TIMEOUT, running.over()).await;
        }
        self.get_execution(id).await
    }

    /// An execution's record. It runs until its session has kept what it did, or has gone back, and takes the next one.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`]; [`Error::Unavailable`] for a large one while answers hold too much.
    pub async fn get_execution(&self, id: Uuid) -> Result<Charged<Execution>> {
        let is_running = self.inner().executions.is_running(id);
        let mut found = self.find_execution(id).await?;
        if found.is_none() && is_running {
            // Its record is on the way.
            found = self.written(id).await?;
        } else {
            found = found.map(|found| as_seen(found, is_running));
        }
        found.or_missing(|| Error::ExecutionNotFound { execution_id: id })
    }

    pub(crate) async fn find_execution(&self, id: Uuid) -> Result<Charged<Option<Execution>>> {
        self.read_charged(|most| self.store().get_execution(id, most))
            .await
    }

    /// The record of an execution that was begun, once it is on disk.
    pub(crate) async fn written(&self, id: Uuid) -> Result<Charged<Option<Execution>>> {
        let is_running = self.inner().executions.is_running(id);
        let found = self.store().get_execution_synced(id, SMALL_ANSWER_BYTES);
        let found = match found.await? {
            Within::Fits(found) => Charged::free(found),
            Within::Needs(_) => self.find_execution(id).await?,
        };
        Ok(found.map(|found| as_seen(found, is_running)))
    }

    /// The session of an execution, and whether the execution has ended.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub(crate) async fn execution_head(&self, id: Uuid) -> Result<(Uuid, bool)> {
        if let Some(live) = self.inner().executions.get(id)
            && live.has_begun()
        {
            return Ok((live.session_id, false));
        }
        let found = self.store().execution_head(id).await?;
        let head = found.ok_or(Error::ExecutionNotFound { execution_id: id })?;
        Ok((head.session_id, head.has_ended))
    }

    /// Executions of a session, newest first.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::Validation`] for a limit of zero and a page that begins nowhere.
    pub async fn list_executions(
        &self,
        session_id: Uuid,
        filter: ExecutionFilter,
        page: Page,
    ) -> Result<Charged<Portion<Execution>>> {
        let page = checked(page)?;
        self.get_session(session_id).await?;
        let running = self.inner().executions.of_session(session_id);
        let found = self
            .read_charged(|most| {
                let listed = self.store().list_executions(ExecutionQuery {
                    session_id,
                    filter,
                    page,
                    max_bytes: most,
                    running: running.clone(),
                });
                async move { Ok(Portion::found_within(listed.await?, most)) }
            })
            .await?;
        let found = found.map(|found| {
            let portion = found?;
            Some(portion.map(|execution| {
                let is_running = running.contains(&execution.id);
                execution_as_seen(execution, is_running)
            }))
        });
        found.or_missing(|| Error::validation("before and after must be the id of an execution"))
    }
}

fn as_seen(found: Option<Execution>, is_running: bool) -> Option<Execution> {
    found.map(|execution| execution_as_seen(execution, is_running))
}

/// A page that is not too long.
pub(crate) fn checked(page: Page) -> Result<Page> {
    if page.limit == 0 {
        return Err(Error::validation("limit must be a positive integer"));
    }
    Ok(Page {
        limit: page.limit.min(MAX_LIMIT),
        ..page
    })
}

/// Runs in a session that the caller has taken, and records it. Says when it has begun.
pub(crate) async fn run_recorded(
    control: &Control,
    live: &RegisteredSession,
    guard: Arc<RunningGuard>,
    run: Run,
    begun: oneshot::Sender<()>,
) -> Result<Execution> {
    let runtime = live
        .runtime()
        .ok_or_else(|| Error::internal("a session runs code before it has a runtime"))?;
    let inner = control.inner();
    let running = Arc::clone(guard.execution());
    let (store, memory) = (Arc::clone(&inner.store), inner.memory.clone());
    let mut recorder = Recorder::start(store, memory, guard, run.execution).await?;
    // Nobody may have to know.
    let _ = begun.send(());
    recorder.record(EventType::InputEcho, run.echo);
    let id = recorder.execution().id;
    let mut updates = runtime.run(id, run.request);
    live.begin_running(id, Arc::clone(&running));
    if running.is_cancelled() {
        runtime.cancel(id);
    }
    let mut was_undone = None;
    let followed = follow(&mut recorder, &mut updates, live, &mut was_undone).await;
    live.end_running();
    let end = match followed {
        Ok(end) => end,
        Err(error) => {
            // Nothing more of it can be recorded: what has not ended is undone.
            let is_undone = if let Some(was_undone) = was_undone {
                was_undone
            } else {
                runtime.cancel(id);
                run_out(&mut updates).await
            };
            recorder.end_later(is_undone);
            return Err(unrecorded(error, is_undone));
        }
    };
    recorder.publish_end();
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

/// Waits for the end of a run that can't be recorded, and says whether it was undone. It may do nothing to the world any
/// more, and nobody else gets the session before it has ended.
async fn run_out(updates: &mut mpsc::Receiver<RunUpdate>) -> bool {
    while let Some(update) = updates.recv().await {
        match update {
            RunUpdate::Ended(RunResult {
                outcome: Outcome::RolledBack(_),
                ..
            }) => return true,
            RunUpdate::Event(_) | RunUpdate::Ended(_) => {}
            RunUpdate::BeforeHostCall(go_on) => drop(go_on),
            RunUpdate::Committed | RunUpdate::SessionLost(_) => return false,
        }
    }
    false
}

/// A retry is not always what helps here: the session may hold what the script did.
fn unrecorded(error: Error, is_undone: bool) -> Error {
    match error {
        Error::Unavailable { message } => Error::Unavailable {
            message: if is_undone {
                format!(
                    "the execution was stopped, because it could not be recorded: {message}; the session is as it was before"
                )
            } else {
                format!(
                    "the execution ran, but could not be recorded: {message}; look at the session's state before you run it again"
                )
            },
        },
        other => other,
    }
}

/// Records what happens until the execution's end is on disk; returns why it was rolled back, if it was. `was_undone` says, also
/// when that can't be recorded, whether it was, once that is known.
async fn follow(
    recorder: &mut Recorder,
    updates: &mut mpsc::Receiver<RunUpdate>,
    live: &RegisteredSession,
    was_undone: &mut Option<bool>,
) -> Result<Option<Failure>> {
    loop {
        match next_update(recorder, updates).await? {
            RunUpdate::Event(event) => {
                recorder.record_charged(event.kind, event.payload, event.charge);
            }
            RunUpdate::BeforeHostCall(go_on) => {
                recorder.sync().await?;
                // The session may have died meanwhile.
                let _ = go_on.send(());
            }
            RunUpdate::Ended(result) => {
                *was_undone = matches!(result.outcome, Outcome::RolledBack(_)).then_some(true);
                // The disk's part of a commit runs while the session does its own.
                if let Some(failure) = record_result(recorder, result).await? {
                    return Ok(Some(failure));
                }
            }
            RunUpdate::Committed => return Ok(None),
            RunUpdate::SessionLost(end) => {
                *was_undone = Some(false);
                let failure = loss(live, &end);
                record_failure(recorder, &failure, None).await?;
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

/// Records the result of a run; returns why it was rolled back, if it was.
async fn record_result(recorder: &mut Recorder, result: RunResult) -> Result<Option<Failure>> {
    let RunResult {
        outcome,
        usage,
        charge,
    } = result;
    let ending = match outcome {
        Outcome::Value(value) => {
            recorder.record_charged(EventType::Value, value.clone(), charge);
            Ending {
                status: ExecutionStatus::Ok,
                result: Some(value),
                error: None,
                usage,
            }
        }
        Outcome::Exception(exception) => {
            recorder.record_charged(EventType::Exception, exception.clone(), charge);
            Ending {
                status: ExecutionStatus::Error,
                result: None,
                error: Some(exception),
                usage,
            }
        }
        Outcome::RolledBack(failure) => {
            record_failure(recorder, &failure, usage).await?;
            return Ok(Some(failure));
        }
    };
    recorder.end(ending).await?;
    Ok(None)
}

/// Records that an execution was undone.
async fn record_failure(
    recorder: &mut Recorder,
    failure: &Failure,
    usage: Option<Usage>,
) -> Result<()> {
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
        usage,
    };
    Ok(recorder.end(ending).await?)
}

/// What the loss of a session means for what ran in it.
fn loss(live: &RegisteredSession, end: &SessionEnd) -> Failure {
    match live.closing() {
        Some(reason) => Failure {
            code: FailureCode::Cancelled,
            message: format!("cancelled: {reason}"),
        },
        None => Failure {
            code: FailureCode::RuntimeCrashed,
            message: format!("the session is gone: {}", end.reason),
        },
    }
}
