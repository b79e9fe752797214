//! The recorder of one execution: it numbers events, gives them to followers, and writes them to
//! the store.
//!
//! # What is written, and in which order
//!
//! An execution is written as a sequence of writes that its recorder alone submits:
//!
//! ```text
//! insert            the record, `running`                                            lazy
//! append ...        batches of events; the first begins with seq 1 (`input_echo`)    lazy
//! append            before the first call to a host module, waited for               prompt
//! finish            the last events, and the end of the record, in one transaction   prompt
//! finish again      where the end turned out otherwise before it was answered        prompt
//! ```
//!
//! The store does writes in the order in which they were submitted, and a prompt write takes the
//! lazy ones before it along into its transaction. A short execution therefore costs one sync:
//! `insert` waits for company for up to 20 ms, and `finish` is usually submitted by then.
//!
//! # Why that is right
//!
//! - *What was answered is durable.* [`end`](Recorder::end) returns when `finish` and every write
//!   before it are done ([`settle_writes`](Recorder::settle_writes)). The answer is sent after
//!   that.
//! - *The world is touched only by a recorded execution.* Before the first call of a script to a
//!   host module, [`sync`](Recorder::sync) waits until the record and all events so far are
//!   durable. The store need not hold back anything for that: the session process waits until the
//!   broker lets the call go on.
//! - *A log has no gaps.* Writes fail one by one or with their transaction. If a write of an
//!   execution failed, the next `append` does not continue the log that is stored and is refused by
//!   the store, and so is everything after it. [`flush`](Recorder::flush) and `settle_writes`
//!   report the first failure, which is the cause of the later ones.
//! - *Followers get what the store has.* [`record`](Recorder::record) publishes an event
//!   in memory and then buffers it, so a follower gets it first. A follower that falls behind
//!   what memory keeps reads from the store, where the event is at most 100 ms and a batch later.
//!   The end is published ([`publish_end`](Recorder::publish_end)) only when it is durable. If the
//!   store fails in between, the stored log ends before the last event that followers have got,
//!   with an event that says so.
//! - *An end can be taken back until it is answered.* `finish` is written while the session process
//!   commits. If the process dies in that time, the execution is rolled back, the recorder appends
//!   the failure and finishes again. Until the commit the stored end is preliminary, and clients
//!   see the execution as `running` (`store/view.rs`), since it is still among the running
//!   executions.
//! - *Nothing stays `running`.* If a write failed, the execution is cancelled and its recorder goes
//!   into [`end_later`](Recorder::end_later): a task that tries, until the store takes it, to store
//!   the record if that is missing and to end it behind the events that are there. Until then the
//!   execution counts as running, so that a repeated request finds it and does not run again. If
//!   the daemon dies first, the next start settles it.
//!
//! # What bounds it
//!
//! Events wait in the buffer for at most 100 ms, 512 events or 256 KiB
//! ([`is_due`](Recorder::is_due)). What is submitted and not done is bounded by the store
//! ([`WriteRoom`](crate::store::WriteRoom)) and by the memory budget: a batch holds a lease, large
//! events hold their own, and both are given back when the store drops the batch. `flush` waits for
//! both, which slows an execution down that makes events faster than the disk takes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;
use vmapi_types::{Event, EventType, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use crate::budget::Lease;
use crate::budget::MemoryBudget;
use crate::execution::failure::{failure_payload, payload};
use crate::execution::running::RunningGuard;
use crate::runtime::{Failure, FailureCode, Outcome, RunResult, Usage};
use crate::store::{
    EventBatch, ExecutionEnd, PendingWrite, Store, StoreError, UnrecordedEnd, Urgency, WritePermit,
};

/// How long an event may wait for others before it goes to the store.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// The time between two attempts to write a record that the store refused.
pub(crate) const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How many events make a full batch.
const FULL_BATCH_EVENTS: usize = 512;

/// How many payload bytes make a full batch.
const FULL_BATCH_BYTES: usize = 256 * 1024;

/// Records one execution.
pub(crate) struct Recorder {
    store: Arc<dyn Store>,
    memory: MemoryBudget,
    live: Arc<RunningGuard>,
    /// The record as it is or will be stored.
    execution: Execution,
    started: Instant,
    /// Events that were not submitted yet.
    buffer: Vec<Event>,
    /// The size of the payloads in the buffer, in bytes.
    buffered_bytes: usize,
    /// The leases of large events in the buffer.
    leases: Vec<Lease>,
    /// When the buffered events must be submitted; `None` if there are none.
    flush_at: Option<Instant>,
    /// Writes that were submitted and whose outcome is not known, oldest first.
    writes: VecDeque<PendingWrite<()>>,
}

impl Recorder {
    /// Submits the record of an execution that begins.
    ///
    /// # Errors
    /// [`StoreError::Closed`]. If the store refuses the record, a later call returns that error.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        memory: MemoryBudget,
        live: Arc<RunningGuard>,
        execution: Execution,
    ) -> Result<Self, StoreError> {
        let (record, request) = (execution.clone(), live.fingerprint().map(str::to_owned));
        let permit = store.write_room().reserve().await?;
        let inserted = store.insert_execution(permit, record, request)?;
        live.begin(&execution);
        Ok(Self {
            store,
            memory,
            live,
            execution,
            started: Instant::now(),
            buffer: Vec::new(),
            buffered_bytes: 0,
            leases: Vec::new(),
            flush_at: None,
            writes: VecDeque::from([inserted]),
        })
    }

    /// The id of the execution.
    pub(crate) fn execution_id(&self) -> Uuid {
        self.execution.id
    }

    /// Adds an event that the daemon makes and not the script.
    pub(crate) fn record(&mut self, kind: EventType, payload: RawJson) {
        self.record_charged(kind, payload, Lease::default());
    }

    /// Adds an event whose lease is held until it is stored.
    pub(crate) fn record_charged(&mut self, kind: EventType, payload: RawJson, lease: Lease) {
        if !lease.is_empty() {
            self.leases.push(lease);
        }
        let metrics = &mut self.execution.metrics;
        metrics.events += 1;
        if matches!(
            kind,
            EventType::Console | EventType::Stdout | EventType::Stderr
        ) {
            metrics.output_bytes += payload.get().len() as u64;
        }
        let event = Event {
            execution_id: self.execution.id,
            seq: metrics.events,
            ts: Timestamp::now(),
            kind,
            payload,
        };
        self.live.publish(&event);
        self.buffered_bytes += event.payload.get().len();
        self.flush_at
            .get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
        self.buffer.push(event);
    }

    /// When the buffered events must be submitted; `None` if there are none.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    /// Whether the buffered events must be submitted now.
    pub(crate) fn is_due(&self) -> bool {
        self.buffer.len() >= FULL_BATCH_EVENTS
            || self.buffered_bytes >= FULL_BATCH_BYTES
            || self.flush_at.is_some_and(|at| at <= Instant::now())
    }

    /// Submits the buffered events without waiting until they are durable. Waits for room among the
    /// writes of the store, which slows an execution down that makes events faster than the disk
    /// takes them.
    ///
    /// # Errors
    /// That of an earlier write, once it is known.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(outcome) = self.writes.front_mut().and_then(PendingWrite::outcome) {
            self.writes.pop_front();
            outcome?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.leases.is_empty() {
            let lease = self.memory.take_for_store(self.buffered_bytes).await;
            self.leases.push(lease);
        }
        let permit = self.store.write_room().reserve().await?;
        let batch = self.take_batch();
        let appended = self.store.append_events(permit, batch, Urgency::Lazy)?;
        self.writes.push_back(appended);
        Ok(())
    }

    /// Waits until everything so far is durable.
    ///
    /// # Errors
    /// That of the first write that failed.
    pub(crate) async fn sync(&mut self) -> Result<(), StoreError> {
        let batch = self.take_batch();
        let append = |permit: WritePermit| self.store.append_events(permit, batch, Urgency::Prompt);
        let written = self.write(append).await;
        self.settle_writes(written).await
    }

    /// Records the result of the run, ends the record and waits until all of it is durable. Returns
    /// why the run was rolled back; `None` if it was not. May be called again, when the end turned
    /// out otherwise before it was answered.
    ///
    /// # Errors
    /// That of the first write that failed.
    pub(crate) async fn end(&mut self, result: RunResult) -> Result<Option<Failure>, StoreError> {
        let RunResult {
            outcome,
            usage,
            charge,
        } = result;
        let failure = match outcome {
            Outcome::Value(value) => {
                self.record_charged(EventType::Value, value.clone(), charge);
                self.set_end(ExecutionStatus::Ok, Some(value), None);
                None
            }
            Outcome::Exception(exception) => {
                self.record_charged(EventType::Exception, exception.clone(), charge);
                self.set_end(ExecutionStatus::Error, None, Some(exception));
                None
            }
            Outcome::RolledBack(failure) => {
                self.record_failure(&failure);
                Some(failure)
            }
        };
        add_usage(&mut self.execution.metrics, self.started.elapsed(), usage);
        self.finish().await?;
        Ok(failure)
    }

    /// Records that the run was rolled back.
    fn record_failure(&mut self, failure: &Failure) {
        let error = failure_payload(failure, true);
        let status = match failure.code {
            FailureCode::WallTimeLimit | FailureCode::CpuTimeLimit => ExecutionStatus::Timeout,
            FailureCode::Cancelled => ExecutionStatus::Cancelled,
            FailureCode::MemoryLimit
            | FailureCode::OutputLimit
            | FailureCode::StackOverflow
            | FailureCode::Deadlock
            | FailureCode::RuntimeCrashed => ExecutionStatus::Error,
        };
        if status != ExecutionStatus::Error || failure.code == FailureCode::OutputLimit {
            let text = json!({"message": failure.message, "level": "error"});
            self.record(EventType::System, payload(&text));
        }
        if status == ExecutionStatus::Error {
            self.record(EventType::Exception, error.clone());
        }
        self.set_end(status, None, Some(error));
    }

    fn set_end(
        &mut self,
        status: ExecutionStatus,
        result: Option<RawJson>,
        error: Option<RawJson>,
    ) {
        self.execution.status = status;
        self.execution.result = result;
        self.execution.error = error;
    }

    /// Stores the buffered events and the end that was set, and waits until all writes are durable.
    async fn finish(&mut self) -> Result<(), StoreError> {
        let execution = &mut self.execution;
        let ended_at = Timestamp::now();
        execution.ended_at = Some(ended_at);
        let end = ExecutionEnd {
            status: execution.status,
            ended_at,
            result: execution.result.clone(),
            error: execution.error.clone(),
            metrics: execution.metrics,
        };
        let batch = self.take_batch();
        let finish = |permit: WritePermit| self.store.finish_execution(permit, batch, end);
        let written = self.write(finish).await;
        self.settle_writes(written).await
    }

    /// Hands the stored end to the followers as the final one, and returns the record.
    pub(crate) fn publish_end(self) -> Execution {
        self.live.end(&self.execution);
        self.execution
    }

    /// Starts a task that ends a record of which a write failed, as soon as the store takes it.
    /// Until then the execution counts as running, so that the same request finds it and does not
    /// run again.
    pub(crate) fn end_later(self, is_rolled_back: bool) {
        let Self {
            store,
            live,
            mut execution,
            ..
        } = self;
        live.set_unsettled();
        let request = live.fingerprint().map(str::to_owned);
        let message = if is_rolled_back {
            "the execution was stopped, because the store failed"
        } else {
            "the execution ran, but the store failed before its end was recorded"
        };
        let failure = Failure {
            code: FailureCode::RuntimeCrashed,
            message: message.into(),
        };
        let error = failure_payload(&failure, is_rolled_back);
        execution.status = ExecutionStatus::Running;
        tokio::spawn(async move {
            let _live = live;
            let mut is_logged = false;
            loop {
                tokio::time::sleep(RETRY_EVERY).await;
                let ended = store.finish_unrecorded(UnrecordedEnd {
                    execution: execution.clone(),
                    request: request.clone(),
                    ended_at: Timestamp::now(),
                    error: error.clone(),
                });
                match ended.await {
                    Ok(()) | Err(StoreError::Closed) => return,
                    // The session of the execution has been removed meanwhile.
                    Err(error) if error.is_constraint() => {
                        tracing::error!(execution_id = %execution.id, %error, "an execution can't be ended");
                        return;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut is_logged, true) {
                            tracing::warn!(execution_id = %execution.id, %error, "an execution can't be ended yet");
                        }
                    }
                }
            }
        });
    }

    /// Submits a write once the store has room for it, and waits until it is done.
    async fn write(
        &self,
        submit: impl FnOnce(WritePermit) -> Result<PendingWrite<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let permit = self.store.write_room().reserve().await?;
        submit(permit)?.wait().await
    }

    /// Waits for the writes before the last one. The first that failed is the cause of the failures
    /// after it, and is the one that is returned.
    async fn settle_writes(&mut self, last: Result<(), StoreError>) -> Result<(), StoreError> {
        for write in self.writes.drain(..) {
            write.wait().await?;
        }
        last
    }

    /// Takes the buffered events, of which there may be none.
    fn take_batch(&mut self) -> EventBatch {
        self.buffered_bytes = 0;
        self.flush_at = None;
        EventBatch {
            execution_id: self.execution.id,
            events: std::mem::take(&mut self.buffer),
            leases: std::mem::take(&mut self.leases),
        }
    }
}

fn add_usage(metrics: &mut Metrics, wall: Duration, usage: Option<Usage>) {
    metrics.wall_ms = Some(milliseconds(wall));
    if let Some(usage) = usage {
        metrics.cpu_ms = Some(milliseconds(Duration::from_micros(usage.cpu_us)));
        metrics.peak_mem_bytes = Some(usage.peak_mem_bytes);
        metrics.host_calls = usage.host_calls;
    }
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
