//! Executions as they are written, and the head of a record.

use uuid::Uuid;
use vmapi_types::{Event, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use crate::budget::Lease;

/// The size of an event in memory without its payload, in bytes: the record, and what the allocator
/// needs for two blocks. Portions of events count it.
pub const EVENT_BYTES: usize = 200;

/// Events of one execution on their way to the store.
#[derive(Debug)]
pub struct EventBatch {
    /// The execution.
    pub execution_id: Uuid,
    /// The events, with numbers that follow the last submitted one. May be empty.
    pub events: Vec<Event>,
    /// The room that the events take in the daemon, given back when the store drops the batch.
    pub leases: Vec<Lease>,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct ExecutionEnd {
    /// The status at the end; never `running`.
    pub status: ExecutionStatus,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The value that it ended with; `None` if it has none.
    pub result: Option<RawJson>,
    /// The error that it ended with; `None` if it ended well.
    pub error: Option<RawJson>,
    /// What the execution used, and the number and size of its events.
    pub metrics: Metrics,
}

/// The end of an execution of which the store refused a part, as it is recorded once the store
/// takes writes again.
#[derive(Clone, Debug)]
pub struct UnrecordedEnd {
    /// The record that the execution began with, to be stored if it is not there.
    pub execution: Execution,
    /// The fingerprint of its request; `None` if the request can't be sent again.
    pub request: Option<String>,
    /// The time of the end.
    pub ended_at: Timestamp,
    /// Its error, which is also the payload of its last event.
    pub error: RawJson,
}

/// The head of the record of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionHead {
    /// The session that it ran in.
    pub session_id: Uuid,
    /// Whether its end is stored.
    pub has_ended: bool,
}

/// How many records of an earlier daemon were ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Executions that were `running`.
    pub executions: usize,
    /// Sessions that were `starting` or `ready`.
    pub sessions: usize,
}
