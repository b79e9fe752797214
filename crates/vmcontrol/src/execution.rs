//! Executions: one snippet or one file run in a session, recorded with everything it does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Limits, LimitsPatch, Metrics,
    Timestamp,
};

use crate::feed::FeedItem;
use crate::library::integrity_of;
use crate::live::{Begun, LiveGuard};
use crate::recorder::{Ending, Recorder, failure_payload, payload};
use crate::registry::{BusyGuard, LiveSession};
use crate::runtime::{
    Failure, FailureCode, Outcome, RunEnd, RunMode, RunRequest, RunUpdate, SessionEnd,
};
use crate::session::{blocking, message_of};
use crate::settings;
use crate::store;
use crate::store::{ExecutionFilter, Page, Portion};
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
}

/// How something is to be run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Limits below those of the session.
    pub limits: LimitsPatch,
    /// The id of the execution. The same request with the same id is never run twice.
    pub execution_id: Option<Uuid>,
    /// How long to wait for the end; until it comes when there is no such time.
    pub wait: Option<Duration>,
}

/// What became of a request to run something.
#[derive(Debug)]
pub enum Submitted {
    /// It has ended, and is on disk.
    Ended(Execution),
    /// It goes on. Its record is on disk.
    Running(Execution),
}

impl Submitted {
    /// The execution, as far as it is.
    pub fn into_execution(self) -> Execution {
        match self {
            Self::Ended(execution) | Self::Running(execution) => execution,
        }
    }
}

/// What is to be run.
enum Code {
    Snippet(String),
    File(FileRun),
}

/// What is about to be run and recorded.
pub(crate) struct Run {
    execution: Execution,
    echo: String,
    request: RunRequest,
}

impl Run {
    fn repl(session_id: Uuid, id: Uuid, input: String, limits: Limits) -> Self {
        let mut execution = new_execution(session_id, id, ExecutionKind::Repl);
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

    fn file(session_id: Uuid, id: Uuid, file: FileRun, source: String, limits: Limits) -> Self {
        let mut execution = new_execution(session_id, id, ExecutionKind::RunFile);
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

    /// The id of the execution.
    pub(crate) fn id(&self) -> Uuid {
        self.execution.id
    }

    /// A startup file, in one of the modes of the catalogue.
    pub(crate) fn startup(
        session_id: Uuid,
        path: &str,
        mode: &str,
        source: String,
        limits: Limits,
    ) -> Self {
        let mut execution = new_execution(session_id, Uuid::new_v4(), ExecutionKind::Startup);
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

fn new_execution(session_id: Uuid, id: Uuid, kind: ExecutionKind) -> Execution {
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
    /// Runs a snippet, and answers when it has ended and is on disk, or when its time to wait is over.
    ///
    /// # Errors
    /// [`Error::Validation`] for limits above the session's, [`Error::SessionNotFound`], [`Error::SessionNotReady`],
    /// [`Error::SessionBusy`], [`Error::ExecutionExists`], [`Error::OutputLimitExceeded`], [`Error::Unavailable`]. A
    /// script's exception is no error here.
    pub async fn run_repl(
        &self,
        session_id: Uuid,
        input: String,
        options: &RunOptions,
    ) -> Result<Submitted> {
        self.submit(session_id, Code::Snippet(input), options).await
    }

    /// Runs a file of the worktree, and answers as [`run_repl`](Self::run_repl) does.
    ///
    /// # Errors
    /// As [`run_repl`](Self::run_repl), and [`Error::InvalidPath`], [`Error::FileNotFound`], [`Error::FileTooLarge`].
    pub async fn run_file(
        &self,
        session_id: Uuid,
        file: FileRun,
        options: &RunOptions,
    ) -> Result<Submitted> {
        self.submit(session_id, Code::File(file), options).await
    }

    /// Runs something once, however often it is asked for under the same id.
    async fn submit(
        &self,
        session_id: Uuid,
        code: Code,
        options: &RunOptions,
    ) -> Result<Submitted> {
        let deadline = options.wait.map(|wait| Instant::now() + wait);
        let Some(id) = options.execution_id else {
            let Begun::New(live) = self.inner().live.begin(Uuid::new_v4(), None) else {
                return Err(Error::internal("a new id was taken"));
            };
            return self.start(session_id, live, code, options, deadline).await;
        };
        let request = fingerprint(session_id, &code, &options.limits);
        loop {
            match self.inner().live.begin(id, Some(request.clone())) {
                Begun::New(live) => match self.find_execution(id).await? {
                    Some(execution) => {
                        drop(live);
                        self.check_request(id, &request).await?;
                        return as_submitted(execution);
                    }
                    None => return self.start(session_id, live, code, options, deadline).await,
                },
                Begun::Running(running) => {
                    if running.fingerprint.as_deref() != Some(&*request) {
                        return Err(Error::ExecutionExists { execution_id: id });
                    }
                    if !until(deadline, running.over()).await
                        && let Some(execution) = self.written(id).await?
                    {
                        return as_submitted(execution);
                    }
                    // It has ended and is found in the store, or was refused and may be tried again.
                }
            }
        }
    }

    /// Makes sure that an execution of the store was asked for in the same way.
    async fn check_request(&self, id: Uuid, request: &str) -> Result<()> {
        let stored = self
            .store()
            .read(move |connection| store::execution::request_of(connection, id))
            .await?;
        if stored.as_deref() == Some(request) {
            Ok(())
        } else {
            Err(Error::ExecutionExists { execution_id: id })
        }
    }

    /// Starts to run something, and waits for the end if that comes in time.
    async fn start(
        &self,
        session_id: Uuid,
        guard: LiveGuard,
        code: Code,
        options: &RunOptions,
        deadline: Option<Instant>,
    ) -> Result<Submitted> {
        let (live, taken) = self.take(session_id).await?;
        let limits = settings::lower(&live.policy.limits, &options.limits)?;
        let id = guard.id();
        let run = match code {
            Code::Snippet(input) => Run::repl(session_id, id, input, limits),
            Code::File(file) => {
                let (worktree, path) = (Arc::clone(&live.worktree), file.path.clone());
                let source =
                    blocking(move || worktree.read_script(&path, MAX_SOURCE_BYTES)).await?;
                Run::file(session_id, id, file, source, limits)
            }
        };
        let work = self.inner().begin_work()?;
        let control = self.clone();
        let (say_begun, begun) = oneshot::channel();
        let mut running = tokio::spawn(async move {
            let guard = Arc::new(guard);
            let execution = run_recorded(&control, &live, Arc::clone(&guard), run, say_begun).await;
            drop((taken, work));
            // Whoever hears of the end by following it finds the session free.
            drop(guard);
            execution
        });
        let ended = async {
            (&mut running)
                .await
                .unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
        };
        let Some(deadline) = deadline else {
            return ended.await.map(Submitted::Ended);
        };
        if let Ok(ended) = tokio::time::timeout_at(deadline, ended).await {
            return ended.map(Submitted::Ended);
        }
        // If it could not even begin, that is in the outcome.
        if begun.await.is_ok()
            && let Some(execution) = self.written(id).await?
        {
            return Ok(Submitted::Running(execution));
        }
        running
            .await
            .unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
            .map(Submitted::Ended)
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
        let found = self.find_execution(id).await?;
        found.ok_or(Error::ExecutionNotFound { execution_id: id })
    }

    async fn find_execution(&self, id: Uuid) -> Result<Option<Execution>> {
        Ok(self
            .store()
            .read(move |connection| store::execution::get(connection, id))
            .await?)
    }

    /// The record of an execution that was begun, once it is on disk.
    async fn written(&self, id: Uuid) -> Result<Option<Execution>> {
        Ok(self
            .store()
            .write(move |connection| store::execution::get(connection, id))
            .await?)
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
    ) -> Result<Portion<Execution>> {
        let page = checked(page)?;
        self.get_session(session_id).await?;
        self.store()
            .read(move |connection| store::execution::list(connection, session_id, filter, page))
            .await?
            .ok_or_else(|| Error::validation("before and after must be the id of an execution"))
    }

    /// The stored events of an execution with a `seq` above `after_seq`.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn list_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.get_execution(execution_id).await?;
        Ok(self
            .store()
            .read(move |connection| store::event::list(connection, execution_id, after_seq, limit))
            .await?)
    }

    /// The same, but if there are none yet, waits for them; an empty list says that none came in time, or will ever come.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`].
    pub async fn wait_for_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Event>> {
        let mut feed = self.follow(execution_id, after_seq).await?;
        match tokio::time::timeout(wait, feed.next()).await {
            Ok(Ok(FeedItem::Events(events))) => Ok(events
                .iter()
                .take(limit)
                .map(|live| live.event.clone())
                .collect()),
            Ok(Ok(FeedItem::End(_))) | Err(_) => Ok(Vec::new()),
            Ok(Err(error)) => Err(error),
        }
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

/// What says whether a request is the same: a digest of all that it asks for.
fn fingerprint(session_id: Uuid, code: &Code, limits: &LimitsPatch) -> String {
    let asked = match code {
        Code::Snippet(input) => json!([session_id, "repl", input, limits]),
        Code::File(file) => json!([
            session_id, "run_file", file.path, file.args, file.env, limits
        ]),
    };
    integrity_of(asked.to_string().as_bytes())
}

/// What is answered for an execution that was asked for before.
fn as_submitted(execution: Execution) -> Result<Submitted> {
    if execution.status == ExecutionStatus::Running {
        return Ok(Submitted::Running(execution));
    }
    let error = execution.error.as_ref().map_or("", |error| error.get());
    if code_of(error) == Some(FailureCode::OutputLimit) {
        return Err(Error::OutputLimitExceeded {
            execution_id: execution.id,
            session_id: execution.session_id,
            message: message_of(error).unwrap_or_default(),
        });
    }
    Ok(Submitted::Ended(execution))
}

/// The `code` of an execution's error, if that is one of a roll-back.
fn code_of(error: &str) -> Option<FailureCode> {
    let error: Value = serde_json::from_str(error).ok()?;
    serde_json::from_value(error.get("code")?.clone()).ok()
}

/// Waits for something until a time, if there is one; whether it came.
async fn until(deadline: Option<Instant>, what: impl Future<Output = ()>) -> bool {
    if let Some(deadline) = deadline {
        return tokio::time::timeout_at(deadline, what).await.is_ok();
    }
    what.await;
    true
}

/// Runs in a session that the caller has taken, and records it. Says when it has begun.
pub(crate) async fn run_recorded(
    control: &Control,
    live: &LiveSession,
    guard: Arc<LiveGuard>,
    run: Run,
    begun: oneshot::Sender<()>,
) -> Result<Execution> {
    let runtime = live
        .runtime()
        .ok_or_else(|| Error::internal("a session runs code before it has a runtime"))?;
    let inner = control.inner();
    let running = Arc::clone(guard.execution());
    let mut recorder = Recorder::start(inner.store.clone(), guard, run.execution).await?;
    // Nobody may have to know.
    let _ = begun.send(());
    recorder.record(EventType::InputEcho, payload(&json!({"text": run.echo})));
    live.begin_running(recorder.execution().id, running);
    let mut updates = runtime.run(run.request);
    let followed = follow(&mut recorder, &mut updates, live).await;
    live.end_running();
    let end = match followed {
        Ok(end) => end,
        Err(error) => {
            // The script goes on: nobody else gets the session before it has ended.
            run_out(&mut updates).await;
            recorder.end_later();
            return Err(unrecorded(error));
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
