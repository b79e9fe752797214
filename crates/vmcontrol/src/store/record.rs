//! Executions as they are written, and what is said of them in short.

use uuid::Uuid;
use vmapi_types::{Event, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use crate::budget::Lease;

/// What an event takes in memory beside its payload, in bytes: its record, and twice the
/// allocator's own. Portions of events count it.
pub const EVENT_BYTES: usize = 200;

/// Events of one execution on their way to the store.
#[derive(Debug)]
pub struct EventBatch {
    /// The execution.
    pub execution_id: Uuid,
    /// The events, numbered on from the last that was submitted. May be empty.
    pub events: Vec<Event>,
    /// The room that the events take in the daemon, given back when the store drops the batch.
    pub leases: Vec<Lease>,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct ExecutionEnd {
    /// How it ended; not `running`.
    pub status: ExecutionStatus,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The value that it ended with; `None` if it has none.
    pub result: Option<RawJson>,
    /// The error that it ended with; `None` if it ended well.
    pub error: Option<RawJson>,
    /// What it used and made.
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
    /// When it is ended.
    pub ended_at: Timestamp,
    /// Its error, which is also the payload of its last event.
    pub error: RawJson,
}

/// What an execution's record says of it in short.
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
