//! A request to run something, as the transport hands it over.

use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{JsonObject, LimitsPatch};

/// A file of the worktree to run.
#[derive(Clone, Debug)]
pub struct FileRun {
    /// The path in the worktree, as the caller has it.
    pub path: String,
    /// The value of `__ARGS__` in the script.
    pub args: JsonObject,
    /// The value of `__ENV__` in the script.
    pub env: JsonObject,
}

/// How something is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Limits below those of the session.
    pub limits: LimitsPatch,
    /// The id of the execution: a request that is repeated with its id runs once. `None` for a new
    /// id.
    pub execution_id: Option<Uuid>,
    /// How long to wait for the end of the execution; `None` to wait until it has ended.
    pub wait: Option<Duration>,
}
