//! The executions that run now, for whoever follows them or asks for them again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;
use vmapi_types::{Event, Execution};

use crate::execution::event::LiveEvent;
use crate::store::EVENT_BYTES;

/// How many events of a running execution are kept in memory for its followers. Older ones are read from the store, where
/// they are after a tenth of a second.
const RECENT_EVENTS: usize = 2048;

/// How many bytes they may take.
const RECENT_BYTES: usize = 1024 * 1024;

/// How many bytes of an execution that is over.
const LEFT_BYTES: usize = 32 * 1024;

/// How many bytes a record may have to be kept. Followers read a larger one from the store.
const RECORD_BYTES: usize = 16 * 1024;

/// How many executions may wait for the store to take their ends. While there are more nothing is run: each is kept until
/// then, and the store may be out for long.
const MAX_UNSETTLED: usize = 100;

/// How long a follower waits, at least, before it looks at what has just happened.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// By how much longer for each follower: many of a chatty execution would take its time otherwise.
pub(crate) const PAUSE_FOR_EACH: Duration = Duration::from_micros(500);

/// All of them, by id.
#[derive(Default)]
pub(crate) struct RunningExecutions {
    all: Mutex<HashMap<Uuid, Arc<RunningExecution>>>,
    /// How many have ended, and the store does not take that.
    unsettled: AtomicUsize,
}

/// An execution from the moment that it is asked for until its end is stored.
pub(crate) struct RunningExecution {
    /// The session that it runs in.
    pub(crate) session_id: Uuid,
    /// What was asked for, if its caller may ask again.
    pub(crate) fingerprint: Option<String>,
    /// Whether it has begun: until then there may be an older record under its id.
    has_begun: AtomicBool,
    begun: OnceLock<Execution>,
    ended: OnceLock<Execution>,
    recent: Mutex<Recent>,
    /// Changes with every event. Whether nothing more comes, because all is stored or was given up.
    is_over: watch::Sender<bool>,
    followers: AtomicU32,
    /// Whether somebody wants it to end.
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

    /// When to look at what has happened: not at every step while it runs, and at once when it is over.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let followers = self.0.followers.load(Ordering::Relaxed);
        let pause = SHORTEST_PAUSE.max(PAUSE_FOR_EACH * followers);
        let is_over = *self.0.is_over.borrow();
        (!is_over).then(|| Instant::now() + pause)
    }

    /// What is followed.
    pub(crate) fn execution(&self) -> &RunningExecution {
        &self.0
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Recent {
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    /// The number of the last event that is not kept any more.
    gone_seq: u64,
}

/// Ends an execution's time here when it is dropped.
pub(crate) struct RunningGuard {
    live: Arc<RunningExecutions>,
    id: Uuid,
    execution: Arc<RunningExecution>,
    is_unsettled: AtomicBool,
}

/// Whether an execution could be begun.
pub(crate) enum Begun {
    /// It is the caller's.
    New(RunningGuard),
    /// It runs already.
    Running(Arc<RunningExecution>),
}

impl RunningExecutions {
    /// Begins an execution of that id, unless one is there.
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

    /// Begins an execution of a new id, that nobody asks for again.
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
            live: Arc::clone(self),
            id,
            execution,
            is_unsettled: AtomicBool::new(false),
        }
    }

    /// The execution of that id, if it runs.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<RunningExecution>> {
        self.lock().get(&id).cloned()
    }

    /// Whether an execution runs. What the store says of its end is not the last word then.
    pub(crate) fn is_running(&self, id: Uuid) -> bool {
        self.get(id).is_some_and(|live| live.has_begun())
    }

    /// The ids of those that run in a session. What the store says of their ends is not the last word.
    pub(crate) fn of_session(&self, session_id: Uuid) -> Vec<Uuid> {
        let all = self.lock();
        let of_session = all
            .iter()
            .filter(|(_, live)| live.session_id == session_id && live.has_begun());
        of_session.map(|(id, _)| *id).collect()
    }

    /// The ids of all.
    pub(crate) fn all(&self) -> HashSet<Uuid> {
        self.lock().keys().copied().collect()
    }

    /// Whether too many wait for the store to take their ends.
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

    /// What was asked for, if its caller may ask again.
    pub(crate) fn fingerprint(&self) -> Option<&str> {
        self.execution.fingerprint.as_deref()
    }

    /// The execution, for its followers.
    pub(crate) fn execution(&self) -> &Arc<RunningExecution> {
        &self.execution
    }

    /// Notes the record that the execution begins with.
    pub(crate) fn begin(&self, execution: &Execution) {
        self.execution.has_begun.store(true, Ordering::Release);
        note(&self.execution.begun, execution);
    }

    /// Notes the record that is stored at its end.
    pub(crate) fn end(&self, execution: &Execution) {
        note(&self.execution.ended, execution);
    }

    /// Notes that it has ended and the store does not take that. It counts as live until the store does.
    pub(crate) fn set_unsettled(&self) {
        if !self.is_unsettled.swap(true, Ordering::Relaxed) {
            self.live.unsettled.fetch_add(1, Ordering::Relaxed);
        }
        self.execution.recent().put_away();
    }

    /// Hands an event to the followers.
    pub(crate) fn publish(&self, event: &Event) {
        self.execution.recent().push(event);
        self.execution.is_over.send_modify(|_| {});
    }
}

/// What the texts of a record take, in bytes.
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

/// Notes a record, unless it is too large.
fn note(place: &OnceLock<Execution>, execution: &Execution) {
    if record_bytes(execution) <= RECORD_BYTES {
        // An execution begins and ends once.
        let _ = place.set(execution.clone());
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.live.lock().remove(&self.id);
        if self.is_unsettled.load(Ordering::Relaxed) {
            self.live.unsettled.fetch_sub(1, Ordering::Relaxed);
        }
        self.execution.recent().put_away();
        self.execution.is_over.send_replace(true);
    }
}

impl RunningExecution {
    /// Whether it has begun: until then there may be an older record under its id.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }

    /// Its record at the start, once it has begun; nothing if that is in the store alone.
    pub(crate) fn begun(&self) -> Option<&Execution> {
        self.begun.get()
    }

    /// Its record at the end, once that is stored; nothing if that is in the store alone.
    pub(crate) fn ended(&self) -> Option<&Execution> {
        self.ended.get()
    }

    /// Notes that it is to end, also if it has not begun yet.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Hears of every event, and whether it is over.
    pub(crate) fn progress(&self) -> watch::Receiver<bool> {
        self.is_over.subscribe()
    }

    /// Waits until it is over.
    pub(crate) async fn over(&self) {
        // The sender is in `self`: it can't be gone.
        let _ = self.progress().wait_for(|is_over| *is_over).await;
    }

    /// The events after that number: at most `limit`, and no more bytes than that unless the first is larger. Nothing when
    /// they are not kept any more.
    pub(crate) fn after(
        &self,
        seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Option<Vec<Arc<LiveEvent>>> {
        let recent = self.recent();
        let skip = usize::try_from(seq.checked_sub(recent.gone_seq)?).unwrap_or(usize::MAX);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for live in recent.events.iter().skip(skip).take(limit) {
            bytes += bytes_of(&live.event);
            if bytes > max_bytes && !events.is_empty() {
                break;
            }
            events.push(Arc::clone(live));
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
            .push_back(Arc::new(LiveEvent::new(event.clone())));
        self.keep(RECENT_BYTES);
    }

    /// Keeps no more than what a follower may be behind with at the end, and not as JSON.
    fn put_away(&mut self) {
        self.keep(LEFT_BYTES);
        for event in &mut self.events {
            *event = Arc::new(LiveEvent::new(event.event.clone()));
        }
        self.events.shrink_to_fit();
    }

    /// Lets the oldest go until there are no more bytes than that.
    fn keep(&mut self, bytes: usize) {
        while self.events.len() > RECENT_EVENTS || self.bytes > bytes {
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

/// What an event takes in memory, about.
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
        Some(events.iter().map(|live| live.event.seq).collect())
    }

    #[test]
    fn followers_get_what_is_kept_and_hear_when_it_is_not() {
        let live: Arc<RunningExecutions> = Arc::default();
        let guard = live.begin_new(Uuid::nil());
        let execution = live.get(guard.id()).unwrap();
        assert_eq!(numbers(&execution, 0, 10), Some(vec![]));
        for seq in 1..=5 {
            guard.publish(&event(seq, 1));
        }
        assert_eq!(numbers(&execution, 0, 3), Some(vec![1, 2, 3]));
        assert_eq!(numbers(&execution, 3, 3), Some(vec![4, 5]));
        assert_eq!(numbers(&execution, 5, 3), Some(vec![]));
        // With its quotation marks it takes all the room there is.
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
            let live: Arc<RunningExecutions> = Arc::default();
            let guard = live.begin_new(Uuid::nil());
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
        let live: Arc<RunningExecutions> = Arc::default();
        let guard = live.begin_new(Uuid::nil());
        for seq in 1..=10_000 {
            guard.publish(&event(seq, 1));
        }
        let execution = live.get(guard.id()).unwrap();
        assert_eq!(execution.recent().events.len(), RECENT_EVENTS);
        drop(guard);
        assert!(*execution.progress().borrow());
    }

    #[test]
    fn an_id_is_begun_once_at_a_time() {
        let live: Arc<RunningExecutions> = Arc::default();
        let guard = live.begin_new(Uuid::nil());
        let id = guard.id();
        assert!(matches!(
            live.begin(id, Uuid::nil(), String::new()),
            Begun::Running(_)
        ));
        drop(guard);
        assert!(matches!(
            live.begin(id, Uuid::nil(), String::new()),
            Begun::New(_)
        ));
    }
}
