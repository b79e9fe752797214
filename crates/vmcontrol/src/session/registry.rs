//! The sessions that are live in this process: their state, and the right to run in them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use uuid::Uuid;
use vmapi_types::SessionStatus;

use crate::execution::running::RunningExecution;
use crate::runtime::{RuntimeSession, SessionEnd};
use crate::{Error, Policy, Worktree};

/// A session from the creation of its record until its processes are gone and its end is stored.
pub(crate) struct RegisteredSession {
    pub(crate) id: Uuid,
    pub(crate) policy: Arc<Policy>,
    pub(crate) worktree: Arc<Worktree>,
    /// The running session; empty until it has been opened.
    runtime: OnceLock<Arc<dyn RuntimeSession>>,
    /// Held by the execution that runs, and by the task that creates the session.
    busy: Arc<AsyncMutex<()>>,
    state: Mutex<State>,
    /// The number of changes of the state.
    changes: watch::Sender<u64>,
    /// The number of clients that follow the event stream.
    followers: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// When the session last became idle; `None` until it is ready, and while an execution runs.
    idle_since: Option<Instant>,
    /// Whether the session is ready for executions, or was before it ended.
    ready: bool,
    /// The execution that runs now; `None` when none does.
    running: Option<Uuid>,
    /// The number of executions that have begun.
    begun: u64,
    /// The last executions that have begun, oldest first, for followers of the session.
    recent: VecDeque<Arc<RunningExecution>>,
    /// Why the session is being closed; `None` when it is not.
    closing: Option<String>,
    /// Why the session's processes are gone; `None` while they are not.
    dead: Option<SessionEnd>,
    /// Whether a task tries to store the session's end until that succeeds.
    ending: bool,
}

/// The number of executions of a session that are kept for its followers; older ones are in the
/// store.
const RECENT_EXECUTIONS: usize = 4;

/// An execution is not kept in memory: it is in the store alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotKept;

/// The right to run in a session. While it is held, requests to run are answered with busy.
pub(crate) type BusyGuard = OwnedMutexGuard<()>;

impl RegisteredSession {
    /// A new session that is starting, and the right to run in it.
    pub(crate) fn new(id: Uuid, policy: Arc<Policy>, worktree: Worktree) -> (Arc<Self>, BusyGuard) {
        let busy: Arc<AsyncMutex<()>> = Arc::default();
        let taken = Arc::clone(&busy).try_lock_owned();
        let session = Self {
            id,
            policy,
            worktree: Arc::new(worktree),
            runtime: OnceLock::new(),
            busy,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            followers: watch::Sender::new(0),
        };
        let taken = taken.expect("the mutex is new");
        (Arc::new(session), taken)
    }

    /// Sets the running session, which has been opened.
    pub(crate) fn set_runtime(&self, runtime: Arc<dyn RuntimeSession>) {
        // A session is opened once, so the cell is empty.
        let _ = self.runtime.set(runtime);
    }

    /// The running session; `None` until it has been opened.
    pub(crate) fn runtime(&self) -> Option<&Arc<dyn RuntimeSession>> {
        self.runtime.get()
    }

    /// Makes the session ready for executions.
    ///
    /// # Errors
    /// The reason, when the session's processes are gone already.
    pub(crate) fn set_ready(&self) -> Result<(), SessionEnd> {
        let mut state = self.lock();
        if let Some(end) = &state.dead {
            return Err(end.clone());
        }
        state.ready = true;
        state.idle_since = Some(Instant::now());
        drop(state);
        self.notify();
        Ok(())
    }

    /// Records that the processes of the session are gone. Returns whether the caller has to end
    /// the record. If the session is being created or closed, another task does that.
    pub(crate) fn set_dead(&self, end: SessionEnd) -> bool {
        let mut state = self.lock();
        state.dead = Some(end);
        let is_crash = state.ready && state.closing.is_none();
        drop(state);
        self.notify();
        is_crash
    }

    /// Records that a task tries to store the session's end until that succeeds; returns whether no
    /// other task does so already.
    pub(crate) fn set_ending(&self) -> bool {
        !std::mem::replace(&mut self.lock().ending, true)
    }

    /// Records the execution that runs from now on.
    pub(crate) fn begin_running(&self, id: Uuid, execution: Arc<RunningExecution>) {
        let mut state = self.lock();
        state.running = Some(id);
        state.idle_since = None;
        state.begun += 1;
        state.recent.push_back(execution);
        if state.recent.len() > RECENT_EXECUTIONS {
            state.recent.pop_front();
        }
        drop(state);
        self.notify();
    }

    /// Records that the execution has ended.
    pub(crate) fn end_running(&self) {
        let mut state = self.lock();
        state.running = None;
        state.idle_since = Some(Instant::now());
        drop(state);
        self.notify();
    }

    /// The number of executions that have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.lock().begun
    }

    /// The execution that began after the first `count` executions; `None` if none has.
    ///
    /// # Errors
    /// [`NotKept`] when the execution is not kept any more.
    pub(crate) fn begun_after(&self, count: u64) -> Result<Option<Arc<RunningExecution>>, NotKept> {
        let state = self.lock();
        let behind = usize::try_from(state.begun.saturating_sub(count)).unwrap_or(usize::MAX);
        match state.recent.len().checked_sub(behind) {
            Some(index) => Ok(state.recent.get(index).cloned()),
            None => Err(NotKept),
        }
    }

    /// A receiver that is notified when the state of the session changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The number of receivers of [`changes`](Self::changes).
    pub(crate) fn change_receivers(&self) -> u32 {
        u32::try_from(self.changes.receiver_count()).unwrap_or(u32::MAX)
    }

    /// The number of clients that follow the session's event stream, and its changes.
    pub(crate) fn followers(&self) -> watch::Receiver<usize> {
        self.followers.subscribe()
    }

    /// Notifies the receivers of [`changes`](Self::changes).
    fn notify(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// The execution that runs now; `None` when none does.
    pub(crate) fn running(&self) -> Option<Uuid> {
        self.lock().running
    }

    /// When the session last became idle; `None` until it is ready, and while an execution runs.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        state.idle_since.filter(|_| state.ready)
    }

    /// Whether the session has ever been ready.
    pub(crate) fn has_been_ready(&self) -> bool {
        self.lock().ready
    }

    /// The status of the session, which its record has or is about to get.
    pub(crate) fn status(&self) -> SessionStatus {
        match &*self.lock() {
            State {
                closing: Some(_), ..
            } => SessionStatus::Closed,
            State { dead: Some(_), .. } => SessionStatus::Crashed,
            State { ready: true, .. } => SessionStatus::Ready,
            State { .. } => SessionStatus::Starting,
        }
    }

    /// Records that the session is being closed; the first reason stays.
    pub(crate) fn set_closing(&self, reason: &str) {
        self.lock().closing.get_or_insert_with(|| reason.to_owned());
    }

    /// Records that the session is being closed, and ends its processes if it has any yet.
    pub(crate) async fn stop(&self, reason: &str) {
        self.set_closing(reason);
        if let Some(runtime) = self.runtime() {
            runtime.close().await;
        }
    }

    /// Why the session is being closed; `None` when it is not.
    pub(crate) fn closing(&self) -> Option<String> {
        self.lock().closing.clone()
    }

    /// Takes the right to run an execution.
    ///
    /// # Errors
    /// [`Error::SessionNotReady`] and [`Error::SessionBusy`].
    pub(crate) fn try_take(&self) -> Result<BusyGuard, Error> {
        let taken = Arc::clone(&self.busy).try_lock_owned();
        // The status is read after the right is taken, so that an idle session is not closed
        // between the two.
        let status = self.status();
        if status != SessionStatus::Ready {
            return Err(Error::SessionNotReady {
                session_id: self.id,
                status,
            });
        }
        taken.map_err(|_| Error::SessionBusy {
            session_id: self.id,
        })
    }

    /// Waits until no execution runs in the session, and takes the right to run.
    pub(crate) async fn take(&self) -> BusyGuard {
        Arc::clone(&self.busy).lock_owned().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a client that follows a session's event stream, until it is dropped.
pub(crate) struct Following(Arc<RegisteredSession>);

impl Following {
    /// Counts a client that follows this session.
    pub(crate) fn of(session: Arc<RegisteredSession>) -> Self {
        session.followers.send_modify(|count| *count += 1);
        Self(session)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.followers.send_modify(|count| *count -= 1);
    }
}

/// All live sessions, by id.
#[derive(Default)]
pub(crate) struct Registry {
    live: RwLock<HashMap<Uuid, Arc<RegisteredSession>>>,
}

impl Registry {
    /// Adds a session, unless `max_sessions` are live already; returns whether it did.
    pub(crate) fn insert(&self, session: Arc<RegisteredSession>, max_sessions: usize) -> bool {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = live.len() < max_sessions;
        if has_room {
            live.insert(session.id, session);
        }
        has_room
    }

    /// Removes a session, and notifies its followers.
    pub(crate) fn remove(&self, id: Uuid) {
        let removed = self
            .live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        if let Some(session) = removed {
            session.notify();
        }
    }

    /// The live session of an id; `None` when none has it.
    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<RegisteredSession>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Whether a session is live and has not been ready yet.
    pub(crate) fn is_starting(&self, id: Uuid) -> bool {
        self.get(id)
            .is_some_and(|session| !session.has_been_ready())
    }

    /// The ids of the sessions that have not been ready yet.
    pub(crate) fn starting(&self) -> Vec<Uuid> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        starting_among(&live).collect()
    }

    /// The ids of the sessions that have not been ready yet, and of the sessions in `were_starting`
    /// that are not live any more. A caller takes `were_starting` before it reads the records.
    pub(crate) fn never_ready(&self, were_starting: &[Uuid]) -> Vec<Uuid> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let gone = were_starting
            .iter()
            .copied()
            .filter(|id| !live.contains_key(id));
        gone.chain(starting_among(&live)).collect()
    }

    /// All live sessions, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<RegisteredSession>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}

fn starting_among(live: &HashMap<Uuid, Arc<RegisteredSession>>) -> impl Iterator<Item = Uuid> {
    let starting = live.values().filter(|session| !session.has_been_ready());
    starting.map(|session| session.id)
}
