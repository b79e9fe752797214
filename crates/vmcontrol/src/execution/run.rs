//! Running a script in a session, with a record of everything that it does; cancelling an
//! execution; and reading the records of executions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmapi_types::{
    EventType, Execution, ExecutionKind, ExecutionStatus, Limits, Metrics, RawJson, Timestamp,
};

use crate::budget::Lease;
use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::failure::payload;
use crate::execution::recorder::Recorder;
use crate::execution::request::FileRun;
use crate::execution::running::RunningGuard;
use crate::execution::source::Source;
use crate::runtime::{
    Failure, FailureCode, Outcome, RunMode, RunRequest, RunResult, RunUpdate, SessionEnd,
};
use crate::session::registry::RegisteredSession;
use crate::store::{ExecutionFilter, ExecutionQuery, Page, Portion, Within, execution_as_seen};
use crate::{Control, Error, Result};

/// How long a cancellation waits for the end of the execution.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest number of executions that one listing gives.
const MAX_LIMIT: u32 = 10_000;

/// A script that is about to run: the request for the session, and the record of the execution.
pub(crate) struct Run {
    /// The record that the execution begins with. It shares the source text of a snippet with the
    /// request.
    execution: Execution,
    /// The payload of the first event.
    echo: RawJson,
    request: RunRequest,
}

/// An execution that has ended.
pub(crate) struct EndedRun {
    /// The record, which is stored.
    pub(crate) execution: Execution,
    /// Why the execution was rolled back; `None` if it ended by itself.
    pub(crate) failure: Option<Failure>,
}

impl Run {
    /// A snippet.
    pub(crate) fn repl(session_id: Uuid, id: Uuid, input: String, limits: Limits) -> Self {
        let echo = echo(&input);
        let source: Arc<str> = input.into();
        let mut execution = new_execution(session_id, id, ExecutionKind::Repl);
        execution.input = Some(Arc::clone(&source));
        execution.args = payload(&json!([]));
        Self {
            execution,
            echo,
            request: RunRequest {
                source,
                name: "repl".into(),
                mode: RunMode::Repl,
                limits,
                // The size of the HTTP request bounds the source text.
                charge: Arc::default(),
            },
        }
    }

    /// A file of the worktree.
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

/// The payload of the event that shows what is run.
fn echo(text: &str) -> RawJson {
    payload(&BTreeMap::from([("text", text)]))
}

/// The record of an execution that begins now, without what depends on its kind.
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
    /// Cancels a running execution: it is rolled back and ends as `cancelled`. An execution that
    /// has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn cancel_execution(&self, id: Uuid) -> Result<Charged<Execution>> {
        // The record of a running execution may not be in the store yet.
        if let Some(running) = self.inner().executions.get(id) {
            // If the session has not got the run yet, `run_recorded` finds this flag after it has
            // started the run.
            running.cancel();
            let live = self.inner().registry.get(running.session_id);
            if let Some(live) = live.filter(|live| live.running() == Some(id))
                && let Some(runtime) = live.runtime()
            {
                runtime.cancel(id);
            }
            // If the store takes no end for now, the answer is the record as it is.
            let _ = tokio::time::timeout(END_TIMEOUT, running.over()).await;
        }
        self.get_execution(id).await
    }

    /// The record of an execution. It is `running` until its session has committed the run or
    /// rolled it back, and is free for the next one.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`]; [`Error::Unavailable`] for a large record while other answers
    /// hold their whole budget.
    pub async fn get_execution(&self, id: Uuid) -> Result<Charged<Execution>> {
        let is_running = self.inner().executions.is_running(id);
        let mut found = self.find_execution(id).await?;
        if found.is_none() && is_running {
            // The record is on its way to the store.
            found = self.written(id).await?;
        } else {
            found = found.map(|found| as_seen(found, is_running));
        }
        found.or_missing(|| Error::ExecutionNotFound { execution_id: id })
    }

    /// The record of an execution as it is stored; `None` if the store has none.
    pub(crate) async fn find_execution(&self, id: Uuid) -> Result<Charged<Option<Execution>>> {
        self.read_charged(|most| self.store().get_execution(id, most))
            .await
    }

    /// The record of an execution that has begun, once the store has it; `None` if the store has
    /// refused it.
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
    /// [`Error::SessionNotFound`]; [`Error::Validation`] for a limit of zero, and for a page that
    /// begins at an execution that does not exist.
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

/// The page, with its limit lowered to the largest one.
///
/// # Errors
/// [`Error::Validation`] for a limit of zero.
pub(crate) fn checked(page: Page) -> Result<Page> {
    if page.limit == 0 {
        return Err(Error::validation("limit must be a positive integer"));
    }
    Ok(Page {
        limit: page.limit.min(MAX_LIMIT),
        ..page
    })
}

/// Runs a script in a session that the caller has taken, records it, and returns when the end is
/// stored. `begun` gets a message when the record has been submitted.
///
/// # Errors
/// [`Error::Unavailable`] when the execution could not be recorded: its message says whether the
/// session has the effects of the script.
pub(crate) async fn run_recorded(
    control: &Control,
    live: &RegisteredSession,
    guard: Arc<RunningGuard>,
    run: Run,
    begun: oneshot::Sender<()>,
) -> Result<EndedRun> {
    let runtime = live
        .runtime()
        .ok_or_else(|| Error::internal("a session runs code before it has a runtime"))?;
    let inner = control.inner();
    let running = Arc::clone(guard.execution());
    let (store, memory) = (Arc::clone(&inner.store), inner.memory.clone());
    let mut recorder = Recorder::start(store, memory, guard, run.execution).await?;
    // The caller may have dropped the receiver.
    let _ = begun.send(());
    recorder.record(EventType::InputEcho, run.echo);
    let id = recorder.execution_id();
    let mut updates = runtime.run(id, run.request);
    live.begin_running(id, Arc::clone(&running));
    if running.is_cancelled() {
        runtime.cancel(id);
    }
    let mut was_rolled_back = None;
    let followed = follow(&mut recorder, &mut updates, live, &mut was_rolled_back).await;
    live.end_running();
    match followed {
        Ok(failure) => Ok(EndedRun {
            execution: recorder.publish_end(),
            failure,
        }),
        Err(error) => {
            // Nothing more of the run can be recorded. If it has not ended, it is cancelled.
            let is_rolled_back = if let Some(was_rolled_back) = was_rolled_back {
                was_rolled_back
            } else {
                runtime.cancel(id);
                wait_for_end(&mut updates).await
            };
            recorder.end_later(is_rolled_back);
            Err(unrecorded(error, is_rolled_back))
        }
    }
}

/// Waits for the end of a run that can't be recorded; returns whether it was rolled back. The run
/// reaches no host module any more, and the session stays taken until the run has ended.
async fn wait_for_end(updates: &mut mpsc::Receiver<RunUpdate>) -> bool {
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

/// The error for an execution that could not be recorded. Its message says whether the session has
/// the effects of the script, since a retry could do them a second time.
fn unrecorded(error: Error, is_rolled_back: bool) -> Error {
    match error {
        Error::Unavailable { message } => Error::Unavailable {
            message: if is_rolled_back {
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

/// Records what happens until the end of the execution is stored; returns why the run was rolled
/// back, `None` if it was not. `was_rolled_back` is set as soon as that is known, so that a caller
/// knows it when the store fails.
async fn follow(
    recorder: &mut Recorder,
    updates: &mut mpsc::Receiver<RunUpdate>,
    live: &RegisteredSession,
    was_rolled_back: &mut Option<bool>,
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
                let is_final = matches!(result.outcome, Outcome::RolledBack(_));
                *was_rolled_back = is_final.then_some(true);
                // The store writes the end while the session commits.
                if let Some(failure) = recorder.end(result).await? {
                    return Ok(Some(failure));
                }
            }
            RunUpdate::Committed => return Ok(None),
            RunUpdate::SessionLost(end) => {
                *was_rolled_back = Some(false);
                let lost = RunResult {
                    outcome: Outcome::RolledBack(loss(live, &end)),
                    usage: None,
                    charge: Lease::default(),
                };
                return Ok(recorder.end(lost).await?);
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

/// The failure of an execution whose session is gone.
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
