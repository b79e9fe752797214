//! The ports through which this crate reaches live runtimes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmapi_types::{Candidate, Completeness, EventType, Inspection, Limits, RawJson, Sandbox};

pub use crate::host_module::HostModuleInfo;
use crate::library::LoadedLibrary;
use crate::{Lease, Policy, Worktree};

/// A future that a port returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes live sessions.
pub trait Runtime: Send + Sync {
    /// The engines that are built in; the first is the default.
    fn engines(&self) -> &'static [&'static str];

    /// The host modules that a template can give to scripts, sorted by name.
    fn host_modules(&self) -> &'static [HostModuleInfo];

    /// Opens a session with its libraries, ready to run code. The caller runs its startup files.
    ///
    /// # Errors
    /// See [`OpenSessionError`].
    fn open_session(
        &self,
        spec: SessionSpec,
    ) -> BoxFuture<'_, Result<OpenedSession, OpenSessionError>>;

    /// Tries whether the last of these libraries can be used, by loading all of them in a process
    /// of their own. Those before the last one are its dependencies.
    ///
    /// # Errors
    /// See [`OpenSessionError`].
    fn try_libraries(
        &self,
        engine: String,
        libraries: Vec<LoadedLibrary>,
    ) -> BoxFuture<'_, Result<(), OpenSessionError>>;

    /// The sandbox of session processes.
    ///
    /// # Errors
    /// When no worker can be started to find that out.
    fn sandbox(&self) -> BoxFuture<'_, Result<Sandbox, OpenSessionError>>;

    /// Ends every session and worker, and waits until they are gone.
    fn shut_down(&self) -> BoxFuture<'_, ()>;
}

/// What a session is made from.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// The session's id.
    pub id: Uuid,
    /// The engine, one of [`Runtime::engines`].
    pub engine: String,
    /// The policy of the session.
    pub policy: Arc<Policy>,
    /// The directory that its files come from.
    pub worktree: Arc<Worktree>,
    /// The libraries that its global scope begins with, in the order in which they are loaded.
    pub libraries: Vec<LoadedLibrary>,
}

/// A live session, and the receiver of its end.
pub struct OpenedSession {
    /// The session.
    pub session: Arc<dyn RuntimeSession>,
    /// Receives why the session ended, once it has: also after [`RuntimeSession::close`].
    pub ended: oneshot::Receiver<SessionEnd>,
}

/// Why a live session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// A sentence about the cause, for the session's record.
    pub reason: String,
}

/// A live session. It runs one script at a time, which its caller ensures.
pub trait RuntimeSession: Send + Sync {
    /// Starts to run a script. The receiver gets the updates as they happen.
    fn run(&self, execution_id: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate>;

    /// Rolls that execution back if it is under way, and no other.
    fn cancel(&self, execution_id: Uuid);

    /// Answers a query about the session as it was when its last run ended, also while another run
    /// is under way. Side effects of the query are discarded.
    ///
    /// # Errors
    /// See [`QueryError`].
    fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>>;

    /// Ends the session at once, and waits until its processes are gone.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A script to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRequest {
    /// The source text, which the record of a snippet shares. It is not part of the request's JSON.
    #[serde(skip)]
    pub source: Arc<str>,
    /// The name in the positions of error messages: `repl`, or the path of the file.
    pub name: String,
    /// The kind of the script.
    pub mode: RunMode,
    /// The limits of the run: those of the session's policy, or lower ones.
    pub limits: Limits,
    /// The lease on the memory of the source text; empty for a snippet.
    #[serde(skip)]
    pub charge: Arc<Lease>,
}

/// The kind of a script.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMode {
    /// A snippet.
    Repl,
    /// A file: `__ARGS__` and `__ENV__` are set first.
    File {
        /// The value of `__ARGS__`.
        args: RawJson,
        /// The value of `__ENV__`.
        env: RawJson,
    },
    /// A startup file, or a library.
    Startup,
    /// A startup file that is an ES module.
    Module,
}

/// A question about a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// The completions at the end of this text.
    Complete(String),
    /// The value of this expression.
    Inspect(String),
    /// Whether this text is a complete snippet.
    IsComplete(String),
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryResult {
    /// The completions.
    Completions {
        /// The texts that can take the place of the end of the text.
        candidates: Vec<Candidate>,
        /// The length of the end that they replace, in bytes.
        replaces: usize,
    },
    /// The value of the expression.
    Inspection(Box<Inspection>),
    /// Whether the snippet is complete.
    Completeness(Completeness),
}

/// Why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query took too long, or too much memory.
    #[error("it takes too long or too much memory")]
    Exceeded,
    /// Too many queries are being answered.
    #[error("too many questions about sessions are being answered")]
    Busy,
    /// The session is gone.
    #[error("the session is gone")]
    Gone,
}

/// What happens while a script runs. The last update is [`Committed`](Self::Committed), an
/// [`Ended`](Self::Ended) with [`Outcome::RolledBack`], or [`SessionLost`](Self::SessionLost).
#[derive(Debug)]
pub enum RunUpdate {
    /// The script made an event.
    Event(RuntimeEvent),
    /// The script is about to make its first host call: the receiver answers once the record of the
    /// execution is durable.
    BeforeHostCall(oneshot::Sender<()>),
    /// The run has a result. A value and an exception are preliminary: the state is being
    /// committed, and the run may still be rolled back. A roll-back is final.
    Ended(RunResult),
    /// The session has committed the run, which is not rolled back any more.
    Committed,
    /// The session is gone.
    SessionLost(SessionEnd),
}

/// An event that a script made.
#[derive(Debug)]
pub struct RuntimeEvent {
    /// The type of the event.
    pub kind: EventType,
    /// The payload, whose shape depends on the type.
    pub payload: RawJson,
    /// The lease on the memory of the payload, until it is stored; empty for a small one.
    pub charge: Lease,
}

/// The result of a run.
#[derive(Debug)]
pub struct RunResult {
    /// How the run ended.
    pub outcome: Outcome,
    /// What the run used; `None` if that is not known.
    pub usage: Option<Usage>,
    /// The lease on the memory of the outcome, until it is stored; empty for a small one.
    pub charge: Lease,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The run ended by itself with a value: the payload of a `value` event.
    Value(RawJson),
    /// The run ended by itself with an exception: the payload of an `exception` event.
    Exception(RawJson),
    /// The run was rolled back: the session is as it was before.
    RolledBack(Failure),
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// The highest size of the heap, in bytes.
    pub peak_mem_bytes: u64,
    /// The number of calls to host modules.
    pub host_calls: u64,
}

/// Why a run was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub code: FailureCode,
    /// A sentence about the cause, for people.
    pub message: String,
}

/// The causes of a roll-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// The limit `wall_ms` was exceeded.
    WallTimeLimit,
    /// The limit `cpu_ms` was exceeded.
    CpuTimeLimit,
    /// The limit `mem_mb` was exceeded.
    MemoryLimit,
    /// The limit `max_events` or `max_output_kb` was exceeded.
    OutputLimit,
    /// Native code recursed too deeply.
    StackOverflow,
    /// The execution was cancelled.
    Cancelled,
    /// The script waited for something that could not happen any more.
    Deadlock,
    /// The session process died in another way.
    RuntimeCrashed,
}

/// Why a session could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenSessionError {
    /// No worker can open a session for now.
    #[error(transparent)]
    Unavailable(#[from] RuntimeUnavailable),
    /// One of its libraries fails when it is loaded.
    #[error("the library {name} can't be loaded: {message}")]
    Library {
        /// The name of the library.
        name: String,
        /// The failure.
        message: String,
    },
    /// One of its libraries is a module, and defines no global.
    #[error("the library {name} can't be used: {message}")]
    NoScript {
        /// The name of the library.
        name: String,
        /// The reason, with the remedy.
        message: String,
    },
}

/// No session can be opened for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no worker can make a session: {reason}")]
pub struct RuntimeUnavailable {
    /// The cause.
    pub reason: String,
}
