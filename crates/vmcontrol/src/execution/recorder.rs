//! The event log of one execution: numbers events, hands them to followers and, in batches, to the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use uuid::Uuid;
use vmapi_types::{Event, EventType, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use crate::budget::Lease;
use crate::budget::MemoryBudget;
use crate::execution::failure::failure_payload;
use crate::execution::running::RunningGuard;
use crate::runtime::{FailureCode, Usage};
use crate::store::{self, ExecutionEnd, Pending, Store, StoreError};

/// How long an event may wait for others before it goes to the store.
const FLUSH_AFTER: Duration = Duration::from_millis(100);

/// How long to wait before a record that could not be written is tried again.
pub(crate) const RETRY_EVERY: Duration = Duration::from_millis(500);

/// How many events make a full batch.
const FULL_BATCH_EVENTS: usize = 512;

/// How many payload bytes make a full batch.
const FULL_BATCH_BYTES: usize = 256 * 1024;

/// Records one execution.
pub(crate) struct Recorder {
    store: Store,
    memory: MemoryBudget,
    live: Arc<RunningGuard>,
    execution: Execution,
    started: Instant,
    buffer: Vec<Event>,
    buffered_bytes: usize,
    /// The room that large events among them take.
    charges: Vec<Lease>,
    flush_at: Option<Instant>,
    /// What was sent to the store and is not known to be on disk, oldest first.
    writes: VecDeque<Pending<()>>,
}

/// Events on their way to the store, with the room that they take until they are written.
struct Batch {
    execution_id: Uuid,
    events: Vec<Event>,
    _charges: Vec<Lease>,
}

impl Batch {
    fn append(&self, connection: &Connection) -> Result<(), StoreError> {
        store::event::append(connection, self.execution_id, &self.events)
    }
}

/// An execution's end as the caller knows it.
pub(crate) struct Ending {
    pub(crate) status: ExecutionStatus,
    pub(crate) result: Option<RawJson>,
    pub(crate) error: Option<RawJson>,
    pub(crate) usage: Option<Usage>,
}

impl Recorder {
    /// Starts the log with the record of the running execution.
    pub(crate) async fn start(
        store: Store,
        memory: MemoryBudget,
        live: Arc<RunningGuard>,
        execution: Execution,
    ) -> Result<Self, StoreError> {
        let (record, request) = (execution.clone(), live.fingerprint().map(str::to_owned));
        let inserted = store
            .write_soon(move |connection| {
                store::execution::insert(connection, &record, request.as_deref())
            })
            .await?;
        live.begin(&execution);
        Ok(Self {
            store,
            memory,
            live,
            execution,
            started: Instant::now(),
            buffer: Vec::new(),
            buffered_bytes: 0,
            charges: Vec::new(),
            flush_at: None,
            writes: VecDeque::from([inserted]),
        })
    }

    pub(crate) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// Adds an event of the daemon's own.
    pub(crate) fn record(&mut self, kind: EventType, payload: RawJson) {
        self.record_charged(kind, payload, Lease::default());
    }

    /// Adds an event that takes room until it is stored.
    pub(crate) fn record_charged(&mut self, kind: EventType, payload: RawJson, charge: Lease) {
        if !charge.is_empty() {
            self.charges.push(charge);
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

    /// When the buffered events must go to the store, if there are any.
    pub(crate) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    /// Whether the buffered events should go to the store now.
    pub(crate) fn is_due(&self) -> bool {
        self.buffer.len() >= FULL_BATCH_EVENTS
            || self.buffered_bytes >= FULL_BATCH_BYTES
            || self.flush_at.is_some_and(|at| at <= Instant::now())
    }

    /// Sends the buffered events to the store without waiting until they are on disk. Waits for a place in the store's
    /// queue, which slows an execution down that makes events faster than the disk takes them. Fails when an earlier write
    /// did.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(outcome) = self.writes.front_mut().and_then(Pending::outcome) {
            self.writes.pop_front();
            outcome?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.charges.is_empty() {
            let charge = self.memory.take_for_store(self.buffered_bytes).await;
            self.charges.push(charge);
        }
        let batch = self.take_batch();
        let append = move |connection: &Connection| batch.append(connection);
        let appended = self.store.write_soon(append).await?;
        self.writes.push_back(appended);
        Ok(())
    }

    /// Waits until everything so far is on disk.
    pub(crate) async fn sync(&mut self) -> Result<(), StoreError> {
        let batch = self.take_batch();
        let written = self.store.write(move |connection| batch.append(connection));
        let written = written.await;
        self.settle_writes(written).await
    }

    /// Ends the record and waits until all of it is on disk. May be called again, when what was thought to be the end
    /// turned out otherwise before it was answered.
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
        let id = execution.id;
        let batch = self.take_batch();
        let written = self.store.write(move |connection| {
            batch.append(connection)?;
            store::execution::end(connection, id, &end)
        });
        let written = written.await;
        self.settle_writes(written).await
    }

    /// Tells the followers that what is stored is the end.
    pub(crate) fn publish_end(&self) {
        self.live.end(&self.execution);
    }

    /// Ends a record that could not be written, as soon as the store takes it again: nothing stays `running`. Until then
    /// the execution counts as live, so that the same request finds it and does not run again.
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
            let mut was_said = false;
            loop {
                tokio::time::sleep(RETRY_EVERY).await;
                let (record, error) = (execution.clone(), error.clone());
                let request = request.clone();
                let ended = store
                    .write(move |connection| {
                        if !store::execution::exists(connection, record.id)? {
                            store::execution::insert(connection, &record, request.as_deref())?;
                        }
                        store::execution::settle_one(
                            connection,
                            record.id,
                            Timestamp::now(),
                            &error,
                        )
                    })
                    .await;
                match ended {
                    Ok(()) | Err(StoreError::Closed) => return,
                    // Its session has been removed meanwhile.
                    Err(error) if error.is_constraint() => {
                        tracing::error!(execution_id = %execution.id, %error, "an execution can't be ended");
                        return;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut was_said, true) {
                            tracing::warn!(execution_id = %execution.id, %error, "an execution can't be ended yet");
                        }
                    }
                }
            }
        });
    }

    /// Every earlier write has to have succeeded, too; the first that failed is why the later ones did.
    async fn settle_writes(&mut self, last: Result<(), StoreError>) -> Result<(), StoreError> {
        for write in self.writes.drain(..) {
            write.wait().await?;
        }
        last
    }

    fn take_batch(&mut self) -> Batch {
        self.buffered_bytes = 0;
        self.flush_at = None;
        Batch {
            execution_id: self.execution.id,
            events: std::mem::take(&mut self.buffer),
            _charges: std::mem::take(&mut self.charges),
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
