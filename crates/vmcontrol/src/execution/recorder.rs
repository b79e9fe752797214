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
//!   durable. The store need not hold back anything for that: the session process waits for the
//!   broker's word.
//! - *A log has no gaps.* Writes fail one by one or with their transaction. If a write of an
//!   execution failed, the next `append` does not continue the log that is stored and is refused by
//!   the store, and so is everything after it. [`flush`](Recorder::flush) and `settle_writes`
//!   report the first failure, which is the cause of the later ones.
//! - *Followers and the store tell the same story.* [`record`](Recorder::record) publishes an event
//!   in memory and then buffers it, so a follower hears of it first. A follower that falls behind
//!   what memory keeps reads from the store, where the event is at most 100 ms and a batch later.
//!   The end is published ([`publish_end`](Recorder::publish_end)) only when it is durable. If the
//!   store fails in between, the stored log ends earlier than what followers have heard, with an
//!   event that says so.
//! - *An end can be taken back until it is answered.* `finish` is written while the session process
//!   commits. If the process dies in that time, the execution is rolled back, the recorder appends
//!   the failure and finishes again. Until then the record is ahead of the truth, and clients see
//!   the execution as `running` (`store/view.rs`), since it is still among the running executions.
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

use vmapi_types::{Event, EventType, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use crate::budget::Lease;
use crate::budget::MemoryBudget;
use crate::execution::failure::failure_payload;
use crate::execution::running::RunningGuard;
use crate::runtime::{FailureCode, Usage};
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
    /// What their payloads take, in bytes.
    buffered_bytes: usize,
    /// The leases of large events among them.
    leases: Vec<Lease>,
    /// When they must be submitted; `None` if there are none.
    flush_at: Option<Instant>,
    /// Writes that were submitted and whose outcome is not known, oldest first.
    writes: VecDeque<PendingWrite<()>>,
}

/// An execution's end as the caller knows it.
pub(crate) struct Ending {
    pub(crate) status: ExecutionStatus,
    /// The value that it ended with; `None` if it has none.
    pub(crate) result: Option<RawJson>,
    /// The error that it ended with; `None` if it ended well.
    pub(crate) error: Option<RawJson>,
    /// What it used; `None` if that is not known.
    pub(crate) usage: Option<Usage>,
}

impl Recorder {
    /// Submits the record of an execution that begins.
    ///
    /// # Errors
    /// [`StoreError::Closed`]. That the store refuses the record is found later.
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

    /// The record as it is or will be stored.
    pub(crate) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// Adds an event of the daemon's own.
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

    /// Ends the record and waits until all of it is durable. May be called again, when the end
    /// turned out otherwise before it was answered.
    ///
    /// # Errors
    /// That of the first write that failed.
    pub(crate) async fn end(&mut self, ending: Ending) -> Result<(), StoreError> {
        let execution = &mut self.execution;
        execution.status = ending.status;
        execution.result = ending.result;
        execution.error = ending.error;
        add_usage(&mut execution.metrics, self.started.elapsed(), ending.usage);
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

    /// Tells the followers that the stored end is the last word.
    pub(crate) fn publish_end(&self) {
        self.live.end(&self.execution);
    }

    /// Ends a record of which a write failed, as soon as the store takes it, in a task. `is_undone`
    /// says whether the execution was rolled back. Until the record is ended, the execution counts
    /// as running, so that the same request finds it and does not run again.
    pub(crate) fn end_later(self, is_undone: bool) {
        let Self {
            store,
            live,
            mut execution,
            ..
        } = self;
        live.set_unsettled();
        let request = live.fingerprint().map(str::to_owned);
        let error = failure_payload(
            FailureCode::RuntimeCrashed,
            if is_undone {
                "the execution was stopped, because the store failed"
            } else {
                "the execution ran, but the store failed before its end was recorded"
            },
            is_undone,
        );
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
                    // Its session has been removed meanwhile.
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
