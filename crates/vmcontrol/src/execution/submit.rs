//! Requests to run something: each runs once, however often it is sent under the same id, and waits as long as it wants.

use std::sync::Arc;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, JsonObject, LimitsPatch, RawJson};

use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::failure::{code_of, message_of};
use crate::execution::request::{FileRun, RunOptions};
use crate::execution::run::{Run, run_recorded};
use crate::execution::running::{Begun, RunningGuard, record_bytes};
use crate::execution::source::read_source;
use crate::library::integrity_of;
use crate::names::check_path;
use crate::runtime::FailureCode;
use crate::session::registry::{BusyGuard, RegisteredSession};
use crate::tasks::{blocking, joined};
use crate::template::settings;
use crate::{Control, Error, Result, store};

/// What became of a request to run something.
#[derive(Debug)]
pub enum Submitted {
    /// It has ended, and is on disk.
    Ended(Charged<Execution>),
    /// It goes on. Its record is on disk.
    Running(Charged<Execution>),
}

impl Submitted {
    /// The execution, as far as it is.
    pub fn into_execution(self) -> Execution {
        match self {
            Self::Ended(execution) | Self::Running(execution) => execution.value,
        }
    }
}

/// From how many bytes on a text is written and read where that holds up nobody else.
const LARGE_BYTES: usize = 64 * 1024;

/// What is to be run.
enum Code {
    Snippet(String),
    File(FileRun),
}

impl Code {
    /// How much text it is, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Snippet(input) => input.len(),
            Self::File(file) => file.args.get().len() + file.env.get().len(),
        }
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
        check_path(&file.path)?;
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
            let live = self.inner().executions.begin_new(session_id);
            return self.start(session_id, live, code, options, deadline).await;
        };
        let (code, request) = fingerprinted(session_id, code, options.limits.clone()).await?;
        loop {
            match self
                .inner()
                .executions
                .begin(id, session_id, request.clone())
            {
                Begun::New(live) => {
                    if self.is_stored(id).await? {
                        drop(live);
                        self.check_request(id, &request).await?;
                        return as_submitted(self.get_execution(id).await?);
                    }
                    return self.start(session_id, live, code, options, deadline).await;
                }
                Begun::Running(running) => {
                    if running.fingerprint.as_deref() != Some(&*request) {
                        return Err(Error::ExecutionExists { execution_id: id });
                    }
                    if !until(deadline, running.over()).await
                        && let Ok(execution) = self.written(id).await?.or_missing(missing(id))
                    {
                        return as_submitted(execution);
                    }
                    // It has ended and is found in the store, or was refused and may be tried again.
                }
            }
        }
    }

    /// Whether an execution of that id is in the store.
    async fn is_stored(&self, id: Uuid) -> Result<bool> {
        let found = self
            .store()
            .read(move |connection| store::execution::head(connection, id));
        Ok(found.await?.is_some())
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
        guard: RunningGuard,
        code: Code,
        options: &RunOptions,
        deadline: Option<Instant>,
    ) -> Result<Submitted> {
        if self.inner().executions.are_too_many_unsettled() {
            return Err(Error::Unavailable {
                message: "nothing is run: the database has not taken the ends of earlier executions for a while".into(),
            });
        }
        let (live, taken) = self.take(session_id).await?;
        let limits = settings::lower(&live.policy.limits, &options.limits)?;
        let id = guard.id();
        let run = match code {
            Code::Snippet(input) if input.len() > LARGE_BYTES => {
                blocking::<_, Error, _>(move || Ok(Run::repl(session_id, id, input, limits)))
                    .await?
            }
            Code::Snippet(input) => Run::repl(session_id, id, input, limits),
            Code::File(file) => {
                let memory = &self.inner().memory;
                let (path, source) = read_source(memory, &live.worktree, &file.path).await?;
                Run::file(session_id, id, FileRun { path, ..file }, source, limits)
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
        let Some(deadline) = deadline else {
            return self.ended(running.await).await;
        };
        if let Ok(outcome) = tokio::time::timeout_at(deadline, &mut running).await {
            return self.ended(outcome).await;
        }
        // If it could not even begin, that is in the outcome.
        if begun.await.is_ok()
            && let Ok(execution) = self.written(id).await?.or_missing(missing(id))
        {
            return as_submitted(execution);
        }
        self.ended(running.await).await
    }

    /// The answer with what has just ended.
    async fn ended(
        &self,
        outcome: std::result::Result<Result<Execution>, JoinError>,
    ) -> Result<Submitted> {
        let value = joined(outcome)?;
        let bytes = record_bytes(&value);
        if bytes <= SMALL_ANSWER_BYTES {
            return Ok(Submitted::Ended(Charged::free(value)));
        }
        match self.answer_share(bytes).await {
            Ok(lease) => Ok(Submitted::Ended(Charged { value, lease })),
            Err(error) => Err(Error::Unavailable {
                message: format!(
                    "execution {} has ended and is not to be run again, but {error}: GET /executions/{}",
                    value.id, value.id
                ),
            }),
        }
    }

    /// Takes a live session for an execution, or says why it can't be had.
    async fn take(&self, session_id: Uuid) -> Result<(Arc<RegisteredSession>, BusyGuard)> {
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

/// A request, and what says whether another one is the same. What is large is read on a thread that may block.
async fn fingerprinted(
    session_id: Uuid,
    code: Code,
    limits: LimitsPatch,
) -> Result<(Code, String)> {
    if code.bytes() <= LARGE_BYTES {
        let request = fingerprint(session_id, &code, &limits);
        return Ok((code, request));
    }
    blocking(move || {
        let request = fingerprint(session_id, &code, &limits);
        Ok((code, request))
    })
    .await
}

/// What says whether a request is the same: a digest of all that it asks for.
fn fingerprint(session_id: Uuid, code: &Code, limits: &LimitsPatch) -> String {
    // Names stand in the order of the alphabet, as in all fingerprints that were ever stored.
    let limits = json!(limits);
    let asked = match code {
        Code::Snippet(input) => to_raw_value(&(session_id, "repl", input, limits)),
        Code::File(FileRun { path, args, env }) => {
            let (args, env) = (sorted(args), sorted(env));
            to_raw_value(&(session_id, "run_file", path, args, env, limits))
        }
    };
    integrity_of(asked.expect("texts and objects are JSON").get().as_bytes())
}

/// An object with its names in order, if it is small; a large one is taken as it is.
fn sorted(object: &JsonObject) -> RawJson {
    let tree = (object.get().len() <= LARGE_BYTES)
        .then(|| serde_json::from_str::<Value>(object.get()).ok())
        .flatten();
    let sorted = tree.and_then(|tree| to_raw_value(&tree).ok());
    sorted.unwrap_or_else(|| object.clone().into_raw())
}

fn missing(id: Uuid) -> impl FnOnce() -> Error {
    move || Error::ExecutionNotFound { execution_id: id }
}

/// What is answered for an execution that was asked for before.
fn as_submitted(execution: Charged<Execution>) -> Result<Submitted> {
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

/// Waits for something until a time, if there is one; whether it came.
async fn until(deadline: Option<Instant>, what: impl Future<Output = ()>) -> bool {
    if let Some(deadline) = deadline {
        return tokio::time::timeout_at(deadline, what).await.is_ok();
    }
    what.await;
    true
}
