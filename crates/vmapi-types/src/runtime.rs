use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The answer to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// The answer to `GET /runtime/summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSummary {
    /// How many sessions are live.
    pub active_sessions: usize,
    /// Their ids, sorted.
    pub active_session_ids: Vec<Uuid>,
}
