//! The executions that run now: their newest events for followers, and their requests for
//! repetitions.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution};

use crate::execution::shared_event::SharedEvent;
use crate::store::event::EVENT_BYTES;

/// The number of events of a running execution that are kept in memory for its followers. They read
/// older ones from the store, where events are after a tenth of a second.
const RECENT_EVENTS: usize = 2048;

/// The largest size of these events, in bytes.
const RECENT_BYTES: usize = 1024 * 1024;

/// The largest size of the events that are kept of an execution that has ended, in bytes.
const LEFT_BYTES: usize = 32 * 1024;

/// The largest record that is kept, in bytes. Followers read a larger one from the store.
const RECORD_BYTES: usize = 16 * 1024;

/// The number of executions that may wait for the store to record their ends. With more of them no
/// execution begins: each takes memory until then, and the store may fail for a long time.
const MAX_UNSETTLED: usize = 100;

/// The shortest time that a follower waits before it takes new events.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// The time that a follower waits for each follower of the execution: many followers of many events
/// would take the execution's time otherwise.
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
    /// The fingerprint of its request; `None` for one that can't be repeated.
    pub(crate) fingerprint: Option<String>,
    /// Whether it has begun. Until then the store may have an older record of its id.
    has_begun: AtomicBool,
    /// The record that it begins with; empty when that is large.
    begun: OnceLock<Execution>,
    /// The record at its end; empty until that is stored, and when it is large.
    ended: OnceLock<Execution>,
    recent: Mutex<Recent>,
    /// Whether no event comes any more, because all are stored or the store failed. Is sent with
    /// every event.
    is_over: watch::Sender<bool>,
    followers: AtomicU32,
    /// Whether it is to be cancelled.
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

    /// When the follower is to take new events, so that it does not wake for each of them; `None`
    /// for at once, when the execution is over.
    pub(crate) fn next_look(&self) -> Option<Instant> {
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
    /// Their size in memory, about.
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

/// Whether an execution could be begun.
pub(crate) enum Begun {
    /// It could: the caller runs it.
    New(RunningGuard),
    /// An execution of this id runs already.
    Running(Arc<RunningExecution>),
}

impl RunningExecutions {
    /// Begins an execution of this id, unless one runs.
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

    /// Begins an execution of a new id, whose request can't be repeated.
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

    /// The execution of an id; `None` when it does not run.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<RunningExecution>> {
        self.lock().get(&id).cloned()
    }

    /// Whether an execution runs. If it does, an end in the store may not be its last.
    pub(crate) fn is_running(&self, id: Uuid) -> bool {
        self.get(id).is_some_and(|execution| execution.has_begun())
    }

    /// The ids of the executions that run in a session. An end in the store may not be their last.
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

    /// The fingerprint of its request; `None` for one that can't be repeated.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.execution.fingerprint.as_deref()
    }

    /// The execution, for its followers.
    pub(crate) fn execution(&self) -> &Arc<RunningExecution> {
        &self.execution
    }

    /// Sets the record that the execution begins with.
    pub(crate) fn begin(&self, execution: &Execution) {
        self.execution.has_begun.store(true, Ordering::Release);
        keep_small(&self.execution.begun, execution);
    }

    /// Sets the record that is stored at its end.
    pub(crate) fn end(&self, execution: &Execution) {
        keep_small(&self.execution.ended, execution);
    }

    /// Records that the execution has ended and the store has refused to record it. It counts as
    /// running until the store does.
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
    let texts = [&execution.input, &execution.path];
    let payloads = [&execution.result, &execution.error];
    texts.into_iter().flatten().map(String::len).sum::<usize>()
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
    /// Whether it has begun. Until then the store may have an older record of its id.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// The record that it begins with; `None` until it has begun, and when the record is in the
    /// store alone.
    pub(crate) fn begun(&self) -> Option<&Execution> {
        self.begun.get()
    }

    /// The record at its end; `None` until that is stored, and when the record is in the store
    /// alone.
    pub(crate) fn ended(&self) -> Option<&Execution> {
        self.ended.get()
    }

    /// Requests its cancellation, also if it has not begun yet.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether its cancellation was requested.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Changes with every event; true once no event comes any more.
    pub(crate) fn progress(&self) -> watch::Receiver<bool> {
        self.is_over.subscribe()
    }

    /// Waits until no event comes any more.
    pub(crate) async fn over(&self) {
        // The sender is in `self`, so it lives.
        let _ = self.progress().wait_for(|is_over| *is_over).await;
    }

    /// The events with a `seq` above this one: at most `limit`, and at most `max_bytes` unless the
    /// first is larger. `None` when they are not kept any more.
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

    /// Keeps the few events that followers may still need at the end, without their JSON texts.
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

/// The size of an event in memory, about.
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
    fn followers_get_what_is_kept_and_hear_when_it_is_not() {
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
        // With its quotation marks this event is as large as may be.
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
    fn what_is_kept_is_bounded() {
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
