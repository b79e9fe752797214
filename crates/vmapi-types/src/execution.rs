use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{JsonObject, LimitsPatch, RawJson, Timestamp};

/// One snippet or one file that was run in a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Execution {
    /// Its id.
    pub id: Uuid,
    /// The session that it ran in.
    pub session_id: Uuid,
    /// What kind of run it is.
    pub kind: ExecutionKind,
    /// The code of a repl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The arguments: the object that was sent, or `[]` when there are none.
    pub args: RawJson,
    /// The environment: an object.
    pub env: RawJson,
    /// How it stands or ended.
    pub status: ExecutionStatus,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The payload of the `value` event of one that ended `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RawJson>,
    /// The payload of the `exception` event, or `{"code","message","rolled_back"}` of one that was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RawJson>,
    /// What it used.
    pub metrics: Metrics,
}

/// What kind of run an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionKind {
    /// A snippet.
    Repl,
    /// A file of the worktree.
    RunFile,
    /// A startup file, run as the session started.
    Startup,
}

impl ExecutionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Repl, Self::RunFile, Self::Startup];

    /// The kind as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repl => "repl",
            Self::RunFile => "run_file",
            Self::Startup => "startup",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ExecutionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an execution stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// It runs.
    Running,
    /// It ended with a value.
    Ok,
    /// It threw, or its process failed.
    Error,
    /// It used up its time and was rolled back.
    Timeout,
    /// It was cancelled and rolled back.
    Cancelled,
}

impl ExecutionStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Ok,
        Self::Error,
        Self::Timeout,
        Self::Cancelled,
    ];

    /// The status as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an execution used. What is not known, as the CPU time of a process that was killed, is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Time by the clock from start to end, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<f64>,
    /// CPU time of the session process, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<f64>,
    /// The highest size of the session's heap while it ran, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_mem_bytes: Option<u64>,
    /// The number of events.
    pub events: u64,
    /// The sum of the payloads of its console, `stdout` and `stderr` events, in bytes.
    pub output_bytes: u64,
    /// The number of calls to host modules.
    pub host_calls: u64,
}

/// The body of `POST /executions/repl`; `session_id` and `input` are required.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplRequest {
    /// The session to run it in.
    pub session_id: Option<String>,
    /// The code.
    pub input: Option<String>,
    /// Limits below those of the session's template; what is left out stays as it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// The execution's id. The same request with the same id is never run twice; one is made when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// How long to wait for the end, in milliseconds; until it comes when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// The body of `POST /executions/run-file`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFileRequest {
    /// The session to run it in; required.
    pub session_id: Option<String>,
    /// The path in the worktree; required.
    pub path: Option<String>,
    /// What the script sees as `__ARGS__`; `{}` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<JsonObject>,
    /// What the script sees as `__ENV__`; `{}` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<JsonObject>,
    /// Limits below those of the session's template; what is left out stays as it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// The execution's id. The same request with the same id is never run twice; one is made when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// How long to wait for the end, in milliseconds; until it comes when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}
