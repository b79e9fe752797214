//! Messages between the daemon and a session process.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use vmapi_types::{EventType, Limits, RawJson, RuntimeSettings};
use vmcontrol::runtime::{RunRequest, Usage};

use super::host_call::{HostCall, MAX_ARGS_JSON_BYTES};
use super::query::QueryRequest;
use super::replay::{LoggedRun, Trace};
use super::text;
use crate::ipc::answer::HostAnswer;
use crate::ipc::codec::{Message, no_attachment};

/// The factor by which arguments grow when they are parsed: a list of empty strings takes 24 bytes
/// of memory for each three bytes of JSON.
const ARGS_GROWTH: usize = 8;

/// How many copies of an event exist at the same time: the payload, the execution's result, and the
/// copy that SQLite makes.
const EVENT_COPIES: usize = 3;

/// From the daemon to a session process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToSession {
    /// Prepare the session. It is the first message. The socket from which checkpoints receive
    /// queries is sent with it, as a descriptor.
    Setup(SessionSetup),
    /// Run a script. Only the generation that the datagram names runs it.
    Run {
        /// The run's number, ascending within the session.
        run: u64,
        /// The script. Its source text is the attachment.
        request: Arc<RunRequest>,
        /// Whether the replay log has room for the run.
        may_log: bool,
    },
    /// Replay those of these runs that the state lacks, and make a checkpoint. Their events are not
    /// sent.
    Replay(Vec<Arc<LoggedRun>>),
    /// A part of the answer to a [`HostCall`].
    HostAnswer(HostAnswer),
    /// Make another checkpoint, because the last one died.
    RenewCheckpoint,
    /// Set up like this session, answer one query about it on this channel, and end. It is the only
    /// message to a query process that the zygote forked, which answers with
    /// [`FromQuery`](super::FromQuery).
    Query(Box<SessionSetup>, QueryRequest),
}

/// What a session process must know before its first script.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionSetup {
    /// The last part of its processes' names, at most 8 bytes.
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
    /// When the session started, by the monotonic clock.
    pub(crate) started: Duration,
    /// When the session started, by the wall clock: the time since the start of 1970 (UTC).
    pub(crate) started_at: Duration,
    /// The variables of `process.env`.
    pub(crate) env: Map<String, Value>,
    /// Values that the template adds to the global scope.
    pub(crate) globals: Vec<(String, Value)>,
    /// Names that the template removes from the global scope.
    pub(crate) removed_globals: Vec<String>,
}

/// From a session process to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromSession {
    /// The set-up is done or has failed.
    Ready {
        /// Why it failed; `None` if it did not.
        error: Option<String>,
    },
    /// The run has begun.
    Started {
        /// The run's number.
        run: u64,
    },
    /// The script produced an event.
    Event {
        /// The event's type.
        kind: EventType,
        /// Its payload, the text of which is the attachment.
        #[serde(skip)]
        payload: RawJson,
    },
    /// The script calls a host module and waits for the answer.
    HostCall(HostCall),
    /// A host call that was dropped because the daemon had no memory for it. The receiver puts it
    /// in the place of the call.
    #[serde(skip)]
    RefusedHostCall,
    /// The script ended by itself.
    Ended {
        /// The run's number.
        run: u64,
        /// Whether the script threw an exception.
        threw: bool,
        /// The payload of the value or exception event. Its text is the attachment.
        #[serde(skip)]
        payload: RawJson,
        /// What the run used.
        usage: Usage,
        /// The trace for the replay log; then this message is the commit. `None` if the run is
        /// committed with a checkpoint.
        trace: Option<Trace>,
    },
    /// A checkpoint of the state was made.
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

impl Message for ToSession {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Run { request, .. } => request.source.as_bytes(),
            Self::HostAnswer(answer) => answer.attachment(),
            _ => &[],
        }
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Run { request, .. } => Arc::make_mut(request).source = text(bytes)?.into(),
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

#[cfg(test)]
mod tests {
    use vmcontrol::runtime::RunMode;

    use super::*;
    use crate::ipc::codec::{self, Encoded};

    fn request(source: &str) -> Arc<RunRequest> {
        Arc::new(RunRequest {
            source: source.into(),
            name: "repl".into(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        })
    }

    /// A message as the other side decodes it.
    fn carried(message: &ToSession) -> ToSession {
        let encoded = Encoded::of(message).unwrap();
        codec::decode(encoded.parts(message).concat()).unwrap()
    }

    #[test]
    fn a_run_arrives_with_its_source_text_which_is_no_json() {
        let run = ToSession::Run {
            run: 1,
            request: request("'unlikely' + 1"),
            may_log: true,
        };
        let json = serde_json::to_string(&run).unwrap();
        assert!(!json.contains("unlikely"), "{json}");
        let ToSession::Run { request, .. } = carried(&run) else {
            panic!("the message has another type");
        };
        assert_eq!(&*request.source, "'unlikely' + 1");
        assert_eq!(request.name, "repl");
    }
}
