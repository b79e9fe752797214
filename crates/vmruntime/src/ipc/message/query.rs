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

/// From a query process to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromQuery {
    /// The process has the query and can replay what its state lacks. If it dies after this
    /// message, the query takes too long or too much memory.
    Began {
        /// The process id of the query process.
        pid: u32,
    },
    /// The answer.
    Answered(QueryResult),
}

impl Message for QueryRequest {}
impl Message for FromQuery {}
