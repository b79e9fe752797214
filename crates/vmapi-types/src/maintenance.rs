//! Requests and results of maintaining the database: prune, check, vacuum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which records to remove. At least one of the two times is required.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["retain_executions_s"]},
    {"required": ["retain_sessions_s"]},
]))]
pub struct PruneRequest {
    /// Remove executions, with their events, that ended more than this number of seconds ago.
    /// Absent: keep all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_executions_s: Option<u64>,
    /// Remove sessions, with all their executions, that ended more than this number of seconds ago.
    /// Absent: keep all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_sessions_s: Option<u64>,
    /// Whether to count the records without removing them.
    #[serde(default)]
    pub dry_run: bool,
}

/// How many records were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of executions, including those of the sessions.
    pub executions: u64,
    /// The number of events of these executions.
    pub events: u64,
    /// Whether the records were only counted.
    pub dry_run: bool,
}

/// The result of a check of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// Whether the database is sound.
    pub ok: bool,
    /// Descriptions of the damage that was found; their number is bounded.
    pub problems: Vec<String>,
    /// The number of executions that were checked.
    pub executions: u64,
    /// The number of events that were checked.
    pub events: u64,
}

/// The result of compacting the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vacuumed {
    /// The size of the database file before, in bytes.
    pub bytes_before: u64,
    /// The size of the database file after, in bytes.
    pub bytes_after: u64,
}
