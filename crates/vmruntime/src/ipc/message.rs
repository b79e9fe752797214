use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use vmapi_types::{EventType, Limits, RawJson, RuntimeSettings, Sandbox};
use vmcontrol::runtime::{Query, QueryResult, RunRequest, Usage};

use super::answer::HostAnswer;
use super::codec::{Message, no_attachment};

/// The most JSON that a call's arguments may be, in bytes. Bytes and long texts are no part of it.
pub(crate) const MAX_ARGS_JSON_BYTES: usize = 2 * 1024 * 1024;

/// By how much arguments grow when they are read: a list of empty strings takes 24 bytes for each three.
const ARGS_GROWTH: usize = 8;

/// How many copies there are of an event on its way: the payload, the execution's result, and that of SQLite.
const EVENT_COPIES: usize = 3;

/// From the daemon to the zygote. Sessions have numbers here: their ids are the daemon's affair.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToZygote {
    /// Load a library into the engine, before the first session.
    Load {
        /// Its name.
        name: String,
        /// Its code, which is the attachment.
        #[serde(skip)]
        source: Arc<str>,
    },
    /// Fork a session process. Its socket comes along as a descriptor.
    Open {
        /// The session's number.
        session: u64,
        /// Whether it is forked ahead of time, for a session with no more memory than by default: it confines itself at once.
        ahead: bool,
    },
    /// Kill the session process of a generation.
    Interrupt {
        /// The session's number.
        session: u64,
        /// The generation. If it is dead already, nothing happens.
        generation: u32,
    },
    /// Kill a process of the session that answers a question.
    EndQuery {
        /// The session's number.
        session: u64,
        /// What the process says its id is. If the session has no process of that id, nothing happens.
        pid: u32,
    },
    /// Kill every process of the session.
    Close {
        /// The session's number.
        session: u64,
    },
    /// Say that all messages before this one have been taken.
    Ping {
        /// The number of this question.
        number: u64,
    },
}

/// Why a library was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoadError {
    /// It failed.
    Failed(String),
    /// It is a module and no script.
    NoScript(String),
}

/// From the zygote to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromZygote {
    /// The zygote is warmed up.
    Hello {
        /// The version of the binary.
        binary: String,
        /// What the kernel keeps its sessions from.
        sandbox: Sandbox,
    },
    /// A library was loaded, or could not be.
    Loaded {
        /// Why not, if so. The engine is of no more use then.
        error: Option<LoadError>,
        /// Whether it was loaded without nondeterministic inputs: another zygote that loads it has the same state.
        is_deterministic: bool,
    },
    /// A session process could not be forked.
    OpenFailed {
        /// The session's number.
        session: u64,
        /// Why.
        reason: String,
    },
    /// A process of a session died though it was not dismissed.
    Died {
        /// The session's number.
        session: u64,
        /// How.
        death: Death,
    },
    /// The last process of a session is gone.
    Ended {
        /// The session's number.
        session: u64,
    },
    /// The answer to [`ToZygote::Ping`].
    Pong {
        /// The number of the question.
        number: u64,
    },
}

/// How a process died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Death {
    /// The generation of the session process; nothing for a checkpoint.
    pub(crate) generation: Option<u32>,
    /// The exit status.
    pub(crate) cause: DeathCause,
    /// What the process noted before it died.
    pub(crate) note: Option<String>,
    /// What its newest run used.
    pub(crate) usage: Option<Usage>,
}

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeathCause {
    /// It ended with this code.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

/// From the daemon to a session process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToSession {
    /// Prepare the session. The first message; the socket over which checkpoints are asked comes along as a descriptor.
    Setup(SessionSetup),
    /// Run a script. Only the generation that the datagram names takes it.
    Run {
        /// The run's number, ascending within the session.
        run: u64,
        /// What to run, without its source text.
        request: RunRequest,
        /// The source text, which is the attachment.
        #[serde(skip)]
        source: Arc<str>,
        /// Whether the redo log has room for it.
        may_log: bool,
    },
    /// Run once more what the redo log holds, as far as this state does not hold it, and commit. Nothing of it is heard.
    Replay(Vec<Arc<LoggedRun>>),
    /// A part of the answer to a [`HostCall`].
    HostAnswer(HostAnswer),
    /// The checkpoint is gone: make another.
    RenewCheckpoint,
    /// Answer questions about the session as it has been set up, as a checkpoint does, until the daemon hangs up.
    StandIn,
}

/// A run of the redo log: one that was committed without a checkpoint, since it comes to the same whenever it is run in the
/// same state and told the same.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoggedRun {
    /// How many runs the session's state holds with this one.
    pub(crate) commits: u64,
    /// What was run.
    pub(crate) request: RunRequest,
    /// What it learnt and came to.
    pub(crate) trace: Trace,
}

/// What a run is told when it is run once more, and what it must come to then: otherwise the state is not the session's.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// What it learnt from outside, in its order: the time, chance.
    pub(crate) inputs: Vec<u64>,
    /// A digest of its events and its end.
    pub(crate) digest: u64,
}

impl LoggedRun {
    /// Whether a state that holds `commits` runs can be brought up to the end of a log.
    pub(crate) fn go_on_from(log: &[Arc<Self>], commits: u64) -> bool {
        log.first().is_none_or(|first| first.commits <= commits + 1)
    }
}

/// A question to a process that answers one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueryRequest {
    /// What to run once more before, as far as the checkpoint does not hold it.
    pub(crate) replay: Vec<Arc<LoggedRun>>,
    /// The question.
    pub(crate) query: Query,
}

/// What a session process must know before its first script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionSetup {
    /// What its processes show as part of their name, at most 8 bytes.
    pub(crate) tag: String,
    /// What one execution may use.
    pub(crate) limits: Limits,
    /// How scripts run.
    pub(crate) runtime: RuntimeSettings,
    /// The native modules that `require` finds.
    pub(crate) modules: Vec<String>,
    /// The template's id, for messages that say how to get more.
    pub(crate) template_id: String,
    /// The absolute path of the worktree.
    pub(crate) worktree: String,
    /// When the session started, by the steady clock of all processes.
    pub(crate) started: Duration,
    /// The same by the calendar, since 1970 began.
    pub(crate) started_at: Duration,
    /// The variables of `process.env`.
    pub(crate) env: Map<String, Value>,
    /// Values that the template puts into the global scope.
    pub(crate) globals: Vec<(String, Value)>,
    /// Names that the template takes out of the global scope.
    pub(crate) removed_globals: Vec<String>,
}

/// From a session process to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromSession {
    /// The session is prepared, or could not be.
    Ready {
        /// Why not, if so.
        error: Option<String>,
    },
    /// The run has begun.
    Started {
        /// The run's number.
        run: u64,
    },
    /// The script made an event.
    Event {
        /// What it is.
        kind: EventType,
        /// What it says. Its text is the attachment.
        #[serde(skip)]
        payload: RawJson,
    },
    /// The script calls a host module, and waits.
    HostCall(HostCall),
    /// A host call came for which there was no room.
    #[serde(skip)]
    RefusedHostCall,
    /// The script ended by itself.
    Ended {
        /// The run's number.
        run: u64,
        /// Whether it threw.
        threw: bool,
        /// The payload of the value or exception event. Its text is the attachment.
        #[serde(skip)]
        payload: RawJson,
        /// What it used.
        usage: Usage,
        /// If this is its commit, too, because it is to be run once more in place of a checkpoint.
        trace: Option<Trace>,
    },
    /// There is a checkpoint of the state after `commits` runs.
    Committed {
        /// How many runs the session's state holds.
        commits: u64,
    },
    /// The session process died, and its checkpoint is the session process now.
    Promoted {
        /// How many runs its state holds.
        commits: u64,
    },
}

/// From a process that answers one question about a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromQuery {
    /// It has the question. If it dies from here on, that is the answer.
    Began {
        /// Its id.
        pid: u32,
    },
    /// The answer.
    Seen(QueryResult),
}

/// A call to a host module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostCall {
    /// The module, like `fs`.
    pub(crate) module: String,
    /// The function, like `readFileSync`.
    pub(crate) function: String,
    /// The arguments, a JSON array.
    pub(crate) args: RawJson,
    /// The bytes and long texts that the arguments name parts of; they are the attachment.
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// A module that was found in the worktree. Its text is the answer's body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoadedModule {
    /// Its path below the worktree.
    pub(crate) path: String,
    /// Changes when the file does.
    pub(crate) stamp: String,
}

/// An error that a host module throws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostError {
    /// The value of `code`, as in `ENOENT`.
    pub(crate) code: Option<String>,
    /// The message.
    pub(crate) message: String,
    /// Other properties of the error, as `syscall` and `path`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) properties: Map<String, Value>,
}

impl HostError {
    /// An error without a code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            properties: Map::new(),
        }
    }

    /// An error with a code, as in `ENOENT`.
    pub(crate) fn with_code(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..Self::new(message)
        }
    }
}

impl Message for ToZygote {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Load { source, .. } => source.as_bytes(),
            _ => &[],
        }
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Load { source, .. } => *source = text(bytes)?.into(),
            _ => no_attachment(&bytes)?,
        }
        Ok(())
    }
}

impl ToSession {
    /// Has a run begin.
    pub(crate) fn run(run: u64, request: &RunRequest, may_log: bool) -> Self {
        Self::Run {
            run,
            request: RunRequest {
                source: Arc::default(),
                name: request.name.clone(),
                mode: request.mode.clone(),
                limits: request.limits,
                charge: Arc::default(),
            },
            source: Arc::clone(&request.source),
            may_log,
        }
    }
}

impl Message for ToSession {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Run { source, .. } => source.as_bytes(),
            Self::HostAnswer(answer) => answer.attachment(),
            _ => &[],
        }
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Run { request, .. } => request.source = text(bytes)?.into(),
            Self::HostAnswer(answer) => answer.attach(bytes)?,
            _ => no_attachment(&bytes)?,
        }
        Ok(())
    }
}

impl Message for FromSession {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Event { payload, .. } | Self::Ended { payload, .. } => payload.get().as_bytes(),
            Self::HostCall(call) => &call.body,
            _ => &[],
        }
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Event { payload, .. } | Self::Ended { payload, .. } => {
                *payload = RawValue::from_string(text(bytes)?)?;
            }
            Self::HostCall(call) => call.body = bytes.into(),
            _ => no_attachment(&bytes)?,
        }
        Ok(())
    }

    fn is_refusable(&self) -> bool {
        matches!(self, Self::HostCall(_))
    }

    fn memory(bytes: usize, is_refusable: bool) -> usize {
        if is_refusable {
            bytes + bytes.min(MAX_ARGS_JSON_BYTES) * ARGS_GROWTH
        } else {
            bytes * EVENT_COPIES
        }
    }

    fn refused() -> Option<Self> {
        Some(Self::RefusedHostCall)
    }
}

/// A call to a database process.
impl Message for HostCall {
    fn attachment(&self) -> &[u8] {
        &self.body
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.body = bytes.into();
        Ok(())
    }
}

/// What goes along with a descriptor says nothing.
impl Message for () {}
impl Message for FromZygote {}
impl Message for QueryRequest {}
impl Message for FromQuery {}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}
