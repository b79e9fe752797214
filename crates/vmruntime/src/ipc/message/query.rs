//! Messages between the daemon and a process that answers one query about a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vmcontrol::runtime::{Query, QueryResult};

use super::replay::LoggedRun;
use crate::ipc::codec::Message;

/// A query, with what the process has to replay before it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueryRequest {
    /// The runs to replay, as far as the state of the process does not hold them.
    pub(crate) replay: Vec<Arc<LoggedRun>>,
    /// The query.
    pub(crate) query: Query,
}

/// From the process that answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromQuery {
    /// It has the query, and can replay what it lacks. If it dies from here on, the query takes too
    /// long or too much memory.
    Began {
        /// Its process id.
        pid: u32,
    },
    /// The answer.
    Answered(QueryResult),
}

impl Message for QueryRequest {}
impl Message for FromQuery {}
