//! Requests to run a script. A request with an id runs once, however often it is sent, and waits
//! for the end as long as its client has asked for.

use std::sync::Arc;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, JsonObject, LimitsPatch, RawJson};

use crate::budget::answers::{Charged, SMALL_ANSWER_BYTES};
use crate::execution::failure::stored_failure;
use crate::execution::request::{FileRun, RunOptions};
use crate::execution::run::{EndedRun, Run, run_recorded};
use crate::execution::running::{Begun, RunningGuard, record_bytes};
use crate::execution::source::read_source;
use crate::library::integrity_of;
use crate::names::check_path;
use crate::runtime::{Failure, FailureCode};
use crate::session::registry::{BusyGuard, RegisteredSession};
use crate::tasks::{blocking, joined};
use crate::template::settings;
use crate::{Control, Error, Result};

/// The execution of a request, as its client is answered.
#[derive(Debug)]
pub enum Submitted {
    /// The execution has ended, and its end is stored.
    Ended(Charged<Execution>),
    /// The execution is running. Its record is stored.
    Running(Charged<Execution>),
}

impl Submitted {
    /// The record of the execution.
    pub fn into_execution(self) -> Execution {
        match self {
            Self::Ended(execution) | Self::Running(execution) => execution.value,
        }
    }
}

/// The size from which a text is encoded and parsed on a thread that may block, in bytes: on a
/// thread of the asynchronous runtime it would hold up other requests.
const LARGE_BYTES: usize = 64 * 1024;

/// What a client submits to be run.
enum Submission {
    Snippet(String),
    File(FileRun),
}

impl Submission {
    /// The size of the texts, in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Snippet(input) => input.len(),
            Self::File(file) => file.args.get().len() + file.env.get().len(),
        }
    }
}

impl Control {
    /// Runs a snippet. Returns when the execution has ended and its end is stored, or when the time
    /// to wait in `options` is over.
    ///
    /// # Errors
    /// [`Error::Validation`] for limits above the session's, [`Error::SessionNotFound`],
    /// [`Error::SessionNotReady`], [`Error::SessionBusy`], [`Error::ExecutionExists`],
    /// [`Error::OutputLimitExceeded`], [`Error::Unavailable`]. The exception of a script is not an
    /// error.
    pub async fn run_repl(
        &self,
        session_id: Uuid,
        input: String,
        options: &RunOptions,
    ) -> Result<Submitted> {
        self.submit(session_id, Submission::Snippet(input), options)
            .await
    }

    /// Runs a file of the worktree. Returns as [`run_repl`](Self::run_repl) does.
    ///
    /// # Errors
    /// As [`run_repl`](Self::run_repl), and [`Error::InvalidPath`], [`Error::FileNotFound`],
    /// [`Error::FileTooLarge`].
    pub async fn run_file(
        &self,
        session_id: Uuid,
        file: FileRun,
        options: &RunOptions,
    ) -> Result<Submitted> {
        check_path(&file.path)?;
        self.submit(session_id, Submission::File(file), options)
            .await
    }

    /// Runs a submission; once, if `options` give it an id.
    async fn submit(
        &self,
        session_id: Uuid,
        submission: Submission,
        options: &RunOptions,
    ) -> Result<Submitted> {
        let deadline = options.wait.map(|wait| Instant::now() + wait);
        let Some(id) = options.execution_id else {
            let live = self.inner().executions.begin_new(session_id);
            return self
                .start(session_id, live, submission, options, deadline)
                .await;
        };
        let (submission, request) =
            fingerprinted(session_id, submission, options.limits.clone()).await?;
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
                    return self
                        .start(session_id, live, submission, options, deadline)
                        .await;
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
                    // The execution has ended and the store has it, or it was refused and may be
                    // tried again.
                }
            }
        }
    }

    /// Whether the store has an execution of this id.
    async fn is_stored(&self, id: Uuid) -> Result<bool> {
        Ok(self.store().execution_head(id).await?.is_some())
    }

    /// Makes sure that a stored execution had the same request.
    ///
    /// # Errors
    /// [`Error::ExecutionExists`].
    async fn check_request(&self, id: Uuid, request: &str) -> Result<()> {
        let stored = self.store().execution_request(id).await?;
        if stored.as_deref() == Some(request) {
            Ok(())
        } else {
            Err(Error::ExecutionExists { execution_id: id })
        }
    }

    /// Starts an execution, and waits until it has ended or `deadline` is over; `None` for no
    /// deadline.
    async fn start(
        &self,
        session_id: Uuid,
        guard: RunningGuard,
        submission: Submission,
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
        let run = match submission {
            Submission::Snippet(input) if input.len() > LARGE_BYTES => {
                blocking::<_, Error, _>(move || Ok(Run::repl(session_id, id, input, limits)))
                    .await?
            }
            Submission::Snippet(input) => Run::repl(session_id, id, input, limits),
            Submission::File(file) => {
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
            let ended = run_recorded(&control, &live, Arc::clone(&guard), run, say_begun).await;
            drop((taken, work));
            // Followers are notified of the end now: they find the session free.
            drop(guard);
            ended
        });
        let Some(deadline) = deadline else {
            return self.ended(running.await).await;
        };
        if let Ok(outcome) = tokio::time::timeout_at(deadline, &mut running).await {
            return self.ended(outcome).await;
        }
        // If the execution could not begin, the task returns the error.
        if begun.await.is_ok()
            && let Ok(execution) = self.written(id).await?.or_missing(missing(id))
        {
            return as_submitted(execution);
        }
        self.ended(running.await).await
    }

    /// The answer for an execution that has ended now.
    async fn ended(
        &self,
        outcome: std::result::Result<Result<EndedRun>, JoinError>,
    ) -> Result<Submitted> {
        let EndedRun {
            execution: value,
            failure,
        } = joined(outcome)?;
        check_output_limit(&value, failure)?;
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

    /// Takes a live session for an execution.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionNotReady`], [`Error::SessionBusy`].
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

/// A submission and its fingerprint. That of a large submission is computed on a thread that may
/// block.
async fn fingerprinted(
    session_id: Uuid,
    submission: Submission,
    limits: LimitsPatch,
) -> Result<(Submission, String)> {
    if submission.bytes() <= LARGE_BYTES {
        let request = fingerprint(session_id, &submission, &limits);
        return Ok((submission, request));
    }
    blocking(move || {
        let request = fingerprint(session_id, &submission, &limits);
        Ok((submission, request))
    })
    .await
}

/// The fingerprint of a request: a digest of everything that it asks for. Equal requests have equal
/// fingerprints, also those of an earlier daemon, which are stored.
fn fingerprint(session_id: Uuid, submission: &Submission, limits: &LimitsPatch) -> String {
    // The names are sorted, as in all stored fingerprints.
    let limits = json!(limits);
    let asked = match submission {
        Submission::Snippet(input) => to_raw_value(&(session_id, "repl", input, limits)),
        Submission::File(FileRun { path, args, env }) => {
            let (args, env) = (sorted(args), sorted(env));
            to_raw_value(&(session_id, "run_file", path, args, env, limits))
        }
    };
    integrity_of(asked.expect("texts and objects are JSON").get().as_bytes())
}

/// A small object with its names sorted. A large object is left as it is.
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

/// The answer for an execution that an earlier request has started.
fn as_submitted(execution: Charged<Execution>) -> Result<Submitted> {
    if execution.status == ExecutionStatus::Running {
        return Ok(Submitted::Running(execution));
    }
    let failure = execution.error.as_ref().and_then(stored_failure);
    check_output_limit(&execution, failure)?;
    Ok(Submitted::Ended(execution))
}

/// Refuses an execution that exceeded a limit of events or output: that is an error for the client,
/// though the execution is recorded.
///
/// # Errors
/// [`Error::OutputLimitExceeded`].
fn check_output_limit(execution: &Execution, failure: Option<Failure>) -> Result<()> {
    match failure {
        Some(Failure {
            code: FailureCode::OutputLimit,
            message,
        }) => Err(Error::OutputLimitExceeded {
            execution_id: execution.id,
            session_id: execution.session_id,
            message,
        }),
        _ => Ok(()),
    }
}

/// Waits for a future until `deadline`, or without a bound for `None`; returns whether it resolved.
async fn until(deadline: Option<Instant>, future: impl Future<Output = ()>) -> bool {
    if let Some(deadline) = deadline {
        return tokio::time::timeout_at(deadline, future).await.is_ok();
    }
    future.await;
    true
}
