use serde::{Deserialize, Serialize};

/// The body of `POST /runtime/prune`: what is older than that goes, and what is left out stays.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneRequest {
    /// Executions that ended longer ago than so many seconds, with their events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_executions_s: Option<u64>,
    /// Sessions that ended longer ago than so many seconds, with all of their executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_sessions_s: Option<u64>,
    /// Whether to count only.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer: what went, or would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Sessions.
    pub sessions: u64,
    /// Executions, those of the sessions among them.
    pub executions: u64,
    /// Events of these executions.
    pub events: u64,
    /// Whether they were only counted.
    pub dry_run: bool,
}

/// The answer to `GET /runtime/check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether nothing was found.
    pub ok: bool,
    /// What is wrong, in words; not more than some hundred.
    pub problems: Vec<String>,
    /// How many executions were looked at.
    pub executions: u64,
    /// How many events.
    pub events: u64,
}

/// The answer to `POST /runtime/vacuum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacuumed {
    /// The size of the database before, in bytes.
    pub bytes_before: u64,
    /// Its size after.
    pub bytes_after: u64,
}
