//! Executions, and the requests that start them.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ExceptionPayload, JsonObject, LimitsPatch, RawJson, Timestamp, ValuePayload};

/// One run of a snippet or a file in a session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// The id of the execution.
    pub id: Uuid,
    /// The id of the session.
    pub session_id: Uuid,
    /// What was run.
    pub kind: ExecutionKind,
    /// The code of a snippet; absent for a file.
    // The text may be large: the daemon shares it between the record and the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Arc<str>>,
    /// The path of the file, relative to the worktree; absent for a snippet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The arguments of a file: the object that was sent; `[]` for an execution that was given
    /// none.
    #[schemars(extend("type" = ["object", "array"]), with = "serde_json::Value")]
    pub args: RawJson,
    /// The environment of a file: the object that was sent; `{}` for an execution that was given
    /// none.
    #[schemars(with = "JsonObject")]
    pub env: RawJson,
    /// Whether the execution is running, or how it ended.
    pub status: ExecutionStatus,
    /// When the execution started.
    pub started_at: Timestamp,
    /// When the execution ended; absent while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The value of an execution that ended `ok`; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ValuePayload>")]
    pub result: Option<RawJson>,
    /// Why an execution ended otherwise than `ok`; absent for one that ended `ok` or is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ExceptionPayload>")]
    pub error: Option<RawJson>,
    /// What the execution used.
    pub metrics: Metrics,
}

/// What an execution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionKind {
    /// A snippet.
    Repl,
    /// A file of the worktree.
    RunFile,
    /// A startup file, which runs when its session starts.
    Startup,
}

impl ExecutionKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Repl, Self::RunFile, Self::Startup];

    /// The kind as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repl => "repl",
            Self::RunFile => "run_file",
            Self::Startup => "startup",
        }
    }

    /// The kind with this name; `None` if there is no such kind.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ExecutionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an execution is running, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// The execution has not ended.
    Running,
    /// The execution ended with a value.
    Ok,
    /// The execution ended with an exception, or failed and was rolled back.
    Error,
    /// The execution exceeded a time limit and was rolled back.
    Timeout,
    /// The execution was cancelled and rolled back.
    Cancelled,
}

impl ExecutionStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Ok,
        Self::Error,
        Self::Timeout,
        Self::Cancelled,
    ];

    /// The status as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name; `None` if there is no such status.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an execution used. A value that is unknown, such as the CPU time of a process that was
/// killed, is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Metrics {
    /// The elapsed time from start to end, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<f64>,
    /// The CPU time of the session process, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<f64>,
    /// The largest size of the session's heap during the execution, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_mem_bytes: Option<u64>,
    /// The number of events.
    pub events: u64,
    /// The total size of the payloads of `console`, `stdout` and `stderr` events, in bytes.
    pub output_bytes: u64,
    /// The number of calls to host modules.
    pub host_calls: u64,
}

/// A snippet to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplRequest {
    /// The id of the session to run the snippet in.
    #[schemars(required, with = "Uuid")]
    pub session_id: Option<String>,
    /// The code; white space alone is code.
    #[schemars(required, length(min = 1))]
    pub input: Option<String>,
    /// Limits for this execution, at most those of the session. Absent: the limits of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// The id of the execution, chosen by the caller: the same request with the same id runs once.
    /// Absent: the daemon chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Uuid>")]
    pub execution_id: Option<String>,
    /// How long to wait for the end of the execution before answering `202`, in milliseconds.
    /// Absent: until it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3_600_000))]
    pub wait_ms: Option<u64>,
}

/// A file to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFileRequest {
    /// The id of the session to run the file in.
    #[schemars(required, with = "Uuid")]
    pub session_id: Option<String>,
    /// The path of the file: relative to the worktree, or absolute inside it.
    #[schemars(required, length(min = 1))]
    pub path: Option<String>,
    /// The value of the global `__ARGS__`. Absent: `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<JsonObject>,
    /// The value of the global `__ENV__`. Absent: `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<JsonObject>,
    /// Limits for this execution, at most those of the session. Absent: the limits of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// The id of the execution, chosen by the caller: the same request with the same id runs once.
    /// Absent: the daemon chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Uuid>")]
    pub execution_id: Option<String>,
    /// How long to wait for the end of the execution before answering `202`, in milliseconds.
    /// Absent: until it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 3_600_000))]
    pub wait_ms: Option<u64>,
}
