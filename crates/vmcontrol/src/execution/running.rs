//! The executions that run now: their newest events, for followers, and the fingerprints of their
//! requests, by which a repeated request is recognised.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution};

use crate::execution::shared_event::SharedEvent;
use crate::store::EVENT_BYTES;

/// The number of events of a running execution that are kept in memory for its followers. Older
/// events are read from the store, which has an event after about 100 ms.
const RECENT_EVENTS: usize = 2048;

/// The largest size of these events, in bytes.
const RECENT_BYTES: usize = 1024 * 1024;

/// The largest size of the events that are kept after the end of an execution, in bytes.
const LEFT_BYTES: usize = 32 * 1024;

/// The largest record that is kept, in bytes. Followers read a larger one from the store.
const RECORD_BYTES: usize = 16 * 1024;

/// The number of executions that may wait for the store to record their ends. Then no execution
/// begins: each takes memory until its end is recorded, and the store may fail for a long time.
const MAX_UNSETTLED: usize = 100;

/// The shortest time that a follower waits before it takes new events.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// The time that a follower waits for each follower of the execution, itself included: otherwise
/// many followers of many events would slow the execution down.
pub(crate) const PAUSE_FOR_EACH: Duration = Duration::from_micros(500);

/// All running executions, by id.
#[derive(Default)]
pub(crate) struct RunningExecutions {
    all: Mutex<HashMap<Uuid, Arc<RunningExecution>>>,
    /// The number of executions whose end the store has refused to record so far.
    unsettled: AtomicUsize,
}

/// An execution from its request until its end is stored.
pub(crate) struct RunningExecution {
    /// The session that it runs in.
    pub(crate) session_id: Uuid,
    /// The fingerprint of the request; `None` for a request without an id, which can't be repeated.
    pub(crate) fingerprint: Option<String>,
    /// Whether the execution has begun. Until then the store may have an older record of its id.
    has_begun: AtomicBool,
    /// The record at the beginning; empty when that is large.
    begun: OnceLock<Execution>,
    /// The record at the end; empty until that is stored, and when it is large.
    ended: OnceLock<Execution>,
    recent: Mutex<Recent>,
    /// Whether no event comes any more, because all are stored or the store failed. Receivers are
    /// notified of every event.
    is_over: watch::Sender<bool>,
    followers: AtomicU32,
    /// Whether its cancellation was requested.
    is_cancelled: AtomicBool,
}

/// Counts a follower for as long as it lives.
pub(crate) struct Follower(Arc<RunningExecution>);

impl Follower {
    /// Follows an execution.
    pub(crate) fn of(execution: Arc<RunningExecution>) -> Self {
        execution.followers.fetch_add(1, Ordering::Relaxed);
        Self(execution)
    }

    /// When the follower reads the next events, so that it does not wake for each of them; `None`
    /// for at once, when the execution is over.
    pub(crate) fn next_read(&self) -> Option<Instant> {
        let followers = self.0.followers.load(Ordering::Relaxed);
        let pause = SHORTEST_PAUSE.max(PAUSE_FOR_EACH * followers);
        let is_over = *self.0.is_over.borrow();
        (!is_over).then(|| Instant::now() + pause)
    }

    /// The execution that is followed.
    pub(crate) fn execution(&self) -> &RunningExecution {
        &self.0
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The newest events of an execution.
#[derive(Default)]
struct Recent {
    /// In order, without a gap.
    events: VecDeque<Arc<SharedEvent>>,
    /// The approximate size of the events in memory, in bytes.
    bytes: usize,
    /// The `seq` of the last event that is not kept any more; 0 when all are kept.
    gone_seq: u64,
}

/// Removes an execution from the running ones when it is dropped.
pub(crate) struct RunningGuard {
    executions: Arc<RunningExecutions>,
    id: Uuid,
    execution: Arc<RunningExecution>,
    is_unsettled: AtomicBool,
}

/// What [`RunningExecutions::begin`] has done.
pub(crate) enum Begun {
    /// The execution was added: the caller runs it.
    New(RunningGuard),
    /// An execution of this id runs already.
    Running(Arc<RunningExecution>),
}

impl RunningExecutions {
    /// Adds an execution of this id, unless one runs.
    pub(crate) fn begin(
        self: &Arc<Self>,
        id: Uuid,
        session_id: Uuid,
        fingerprint: String,
    ) -> Begun {
        let mut all = self.lock();
        match all.get(&id) {
            Some(running) => Begun::Running(Arc::clone(running)),
            None => Begun::New(self.insert(&mut all, id, session_id, Some(fingerprint))),
        }
    }

    /// Adds an execution of a new id, whose request can't be repeated.
    pub(crate) fn begin_new(self: &Arc<Self>, session_id: Uuid) -> RunningGuard {
        self.insert(&mut self.lock(), Uuid::new_v4(), session_id, None)
    }

    fn insert(
        self: &Arc<Self>,
        all: &mut HashMap<Uuid, Arc<RunningExecution>>,
        id: Uuid,
        session_id: Uuid,
        fingerprint: Option<String>,
    ) -> RunningGuard {
        let execution = Arc::new(RunningExecution {
            session_id,
            fingerprint,
            has_begun: AtomicBool::new(false),
            begun: OnceLock::new(),
            ended: OnceLock::new(),
            recent: Mutex::default(),
            is_over: watch::Sender::new(false),
            followers: AtomicU32::new(0),
            is_cancelled: AtomicBool::new(false),
        });
        all.insert(id, Arc::clone(&execution));
        RunningGuard {
            executions: Arc::clone(self),
            id,
            execution,
            is_unsettled: AtomicBool::new(false),
        }
    }

    /// The running execution of an id; `None` when none has it.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<RunningExecution>> {
        self.lock().get(&id).cloned()
    }

    /// Whether an execution has begun and is running: an end in the store is then preliminary.
    pub(crate) fn is_running(&self, id: Uuid) -> bool {
        self.get(id).is_some_and(|execution| execution.has_begun())
    }

    /// The ids of the executions that have begun and run in a session: their ends in the store are
    /// preliminary.
    pub(crate) fn of_session(&self, session_id: Uuid) -> Vec<Uuid> {
        let all = self.lock();
        let of_session = all
            .iter()
            .filter(|(_, execution)| execution.session_id == session_id && execution.has_begun());
        of_session.map(|(id, _)| *id).collect()
    }

    /// The ids of all running executions.
    pub(crate) fn all(&self) -> HashSet<Uuid> {
        self.lock().keys().copied().collect()
    }

    /// Whether too many executions wait for the store to record their ends.
    pub(crate) fn are_too_many_unsettled(&self) -> bool {
        self.unsettled.load(Ordering::Relaxed) >= MAX_UNSETTLED
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<RunningExecution>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningGuard {
    /// The id of the execution.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// The fingerprint of the request; `None` for a request that can't be repeated.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.execution.fingerprint.as_deref()
    }

    /// The execution, for its followers.
    pub(crate) fn execution(&self) -> &Arc<RunningExecution> {
        &self.execution
    }

    /// Records that the execution has begun, with this record.
    pub(crate) fn begin(&self, execution: &Execution) {
        self.execution.has_begun.store(true, Ordering::Release);
        keep_small(&self.execution.begun, execution);
    }

    /// Sets the record at the end, which is stored.
    pub(crate) fn end(&self, execution: &Execution) {
        keep_small(&self.execution.ended, execution);
    }

    /// Records that the execution has ended and the store has refused its end. It counts as running
    /// until the store has the end.
    pub(crate) fn set_unsettled(&self) {
        if !self.is_unsettled.swap(true, Ordering::Relaxed) {
            self.executions.unsettled.fetch_add(1, Ordering::Relaxed);
        }
        self.execution.recent().compact();
    }

    /// Hands an event to the followers.
    pub(crate) fn publish(&self, event: &Event) {
        self.execution.recent().push(event);
        self.execution.is_over.send_modify(|_| {});
    }
}

/// The size of the texts of a record, in bytes.
pub(crate) fn record_bytes(execution: &Execution) -> usize {
    let texts = [execution.input.as_deref(), execution.path.as_deref()];
    let payloads = [&execution.result, &execution.error];
    texts.into_iter().flatten().map(str::len).sum::<usize>()
        + payloads
            .into_iter()
            .flatten()
            .map(|json| json.get().len())
            .sum::<usize>()
        + execution.args.get().len()
        + execution.env.get().len()
}

/// Sets a record, unless it is too large to be kept.
fn keep_small(slot: &OnceLock<Execution>, execution: &Execution) {
    if record_bytes(execution) <= RECORD_BYTES {
        // An execution begins and ends once.
        let _ = slot.set(execution.clone());
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.executions.lock().remove(&self.id);
        if self.is_unsettled.load(Ordering::Relaxed) {
            self.executions.unsettled.fetch_sub(1, Ordering::Relaxed);
        }
        self.execution.recent().compact();
        self.execution.is_over.send_replace(true);
    }
}

impl RunningExecution {
    /// Whether the execution has begun. Until then the store may have an older record of its id.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// The record at the beginning; `None` until the execution has begun, and for a large record,
    /// which only the store has.
    pub(crate) fn begun(&self) -> Option<&Execution> {
        self.begun.get()
    }

    /// The record at the end; `None` until that is stored, and for a large record, which only the
    /// store has.
    pub(crate) fn ended(&self) -> Option<&Execution> {
        self.ended.get()
    }

    /// Requests the cancellation of the execution, which may not have begun yet.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether the cancellation of the execution was requested.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Changes with every event; true once no event comes any more.
    pub(crate) fn progress(&self) -> watch::Receiver<bool> {
        self.is_over.subscribe()
    }

    /// Waits until no event comes any more.
    pub(crate) async fn over(&self) {
        // The wait can't fail: the sender is a part of `self`.
        let _ = self.progress().wait_for(|is_over| *is_over).await;
    }

    /// The events with a number above `seq`: at most `limit`, and at most `max_bytes` unless the
    /// first is larger. `None` when the next one is not kept any more.
    pub(crate) fn after(
        &self,
        seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Option<Vec<Arc<SharedEvent>>> {
        let recent = self.recent();
        let skip = usize::try_from(seq.checked_sub(recent.gone_seq)?).unwrap_or(usize::MAX);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for shared in recent.events.iter().skip(skip).take(limit) {
            bytes += bytes_of(&shared.event);
            if bytes > max_bytes && !events.is_empty() {
                break;
            }
            events.push(Arc::clone(shared));
        }
        Some(events)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn push(&mut self, event: &Event) {
        self.bytes += bytes_of(event);
        self.events
            .push_back(Arc::new(SharedEvent::new(event.clone())));
        self.keep(RECENT_BYTES);
    }

    /// Keeps the few events that followers may need at the end, without their JSON texts.
    fn compact(&mut self) {
        self.keep(LEFT_BYTES);
        for event in &mut self.events {
            *event = Arc::new(SharedEvent::new(event.event.clone()));
        }
        self.events.shrink_to_fit();
    }

    /// Drops the oldest events until at most `max_bytes` are left.
    fn keep(&mut self, max_bytes: usize) {
        while self.events.len() > RECENT_EVENTS || self.bytes > max_bytes {
            match self.events.pop_front() {
                Some(old) => {
                    self.bytes -= bytes_of(&old.event);
                    self.gone_seq = old.event.seq;
                }
                None => return,
            }
        }
    }
}

/// The approximate size of an event in memory, in bytes.
fn bytes_of(event: &Event) -> usize {
    EVENT_BYTES + event.payload.get().len()
}

#[cfg(test)]
mod tests {
    use vmapi_types::{EventType, Timestamp};

    use super::*;
    use crate::execution::failure::payload;

    fn event(seq: u64, bytes: usize) -> Event {
        Event {
            execution_id: Uuid::nil(),
            seq,
            ts: Timestamp::now(),
            kind: EventType::Console,
            payload: payload(&".".repeat(bytes)),
        }
    }

    fn numbers(execution: &RunningExecution, after: u64, limit: usize) -> Option<Vec<u64>> {
        let events = execution.after(after, limit, RECENT_BYTES)?;
        Some(events.iter().map(|shared| shared.event.seq).collect())
    }

    #[test]
    fn followers_get_the_events_that_are_kept_and_none_for_the_others() {
        let executions: Arc<RunningExecutions> = Arc::default();
        let guard = executions.begin_new(Uuid::nil());
        let execution = executions.get(guard.id()).unwrap();
        assert_eq!(numbers(&execution, 0, 10), Some(vec![]));
        for seq in 1..=5 {
            guard.publish(&event(seq, 1));
        }
        assert_eq!(numbers(&execution, 0, 3), Some(vec![1, 2, 3]));
        assert_eq!(numbers(&execution, 3, 3), Some(vec![4, 5]));
        assert_eq!(numbers(&execution, 5, 3), Some(vec![]));
        // With its quotation marks this event has exactly the largest size that is kept.
        guard.publish(&event(6, RECENT_BYTES - EVENT_BYTES - 2));
        assert_eq!(numbers(&execution, 4, 3), None);
        assert_eq!(numbers(&execution, 5, 3), Some(vec![6]));
        guard.publish(&event(7, RECENT_BYTES));
        assert_eq!(
            numbers(&execution, 6, 3),
            None,
            "it is too large to be kept"
        );
        assert_eq!(numbers(&execution, 7, 3), Some(vec![]));
    }

    #[test]
    fn a_record_is_kept_unless_it_is_large() {
        for (bytes, is_kept) in [(10, true), (RECORD_BYTES, false)] {
            let executions: Arc<RunningExecutions> = Arc::default();
            let guard = executions.begin_new(Uuid::nil());
            let execution = crate::execution::run::new_execution(
                Uuid::nil(),
                guard.id(),
                vmapi_types::ExecutionKind::Repl,
            );
            guard.begin(&execution);
            guard.end(&Execution {
                result: Some(payload(&".".repeat(bytes))),
                ..execution
            });
            assert!(guard.execution().begun().is_some());
            assert_eq!(guard.execution().ended().is_some(), is_kept);
        }
    }

    #[test]
    fn the_number_of_kept_events_is_bounded() {
        let executions: Arc<RunningExecutions> = Arc::default();
        let guard = executions.begin_new(Uuid::nil());
        for seq in 1..=10_000 {
            guard.publish(&event(seq, 1));
        }
        let execution = executions.get(guard.id()).unwrap();
        assert_eq!(execution.recent().events.len(), RECENT_EVENTS);
        drop(guard);
        assert!(*execution.progress().borrow());
    }

    #[test]
    fn an_id_is_begun_once_at_a_time() {
        let executions: Arc<RunningExecutions> = Arc::default();
        let guard = executions.begin_new(Uuid::nil());
        let id = guard.id();
        assert!(matches!(
            executions.begin(id, Uuid::nil(), String::new()),
            Begun::Running(_)
        ));
        drop(guard);
        assert!(matches!(
            executions.begin(id, Uuid::nil(), String::new()),
            Begun::New(_)
        ));
    }
}
