//! The sessions that are live in this process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use uuid::Uuid;
use vmapi_types::SessionStatus;

use crate::execution::running::RunningExecution;
use crate::runtime::RuntimeSession;
use crate::{Error, Policy, Worktree};

/// A session from the moment its record is made until its processes are gone.
pub(crate) struct LiveSession {
    pub(crate) id: Uuid,
    pub(crate) policy: Arc<Policy>,
    pub(crate) worktree: Arc<Worktree>,
    runtime: OnceLock<Arc<dyn RuntimeSession>>,
    busy: Arc<AsyncMutex<()>>,
    state: Mutex<State>,
    /// Counts what happens to it.
    news: watch::Sender<u64>,
    /// How many clients follow its event stream.
    followed: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// Since when it takes executions and has none, once it does.
    idle_since: Option<Instant>,
    ready: bool,
    /// The execution that runs now.
    running: Option<Uuid>,
    /// How many have begun.
    begun: u64,
    /// The last of them, for those who follow the session.
    recent: VecDeque<Arc<RunningExecution>>,
    /// Why the session is being closed, once it is.
    closing: Option<String>,
    /// Why the session's processes are gone, once they are.
    dead: Option<String>,
    /// Whether somebody tries to store its end until that succeeds.
    ending: bool,
}

/// How many executions of a session are kept for its followers; older ones are in the store.
const RECENT_EXECUTIONS: usize = 4;

/// An execution is in the store alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotKept;

/// The right to run in a session; others are told that it is busy.
pub(crate) type BusyGuard = OwnedMutexGuard<()>;

impl LiveSession {
    /// A new one, which whoever makes it has taken.
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
            news: watch::Sender::new(0),
            followed: watch::Sender::new(0),
        };
        let taken = taken.expect("nobody else knows of it");
        (Arc::new(session), taken)
    }

    /// Hands over the runtime, once it has been made.
    pub(crate) fn set_runtime(&self, runtime: Arc<dyn RuntimeSession>) {
        // There is one creation for each session, so the slot is empty.
        let _ = self.runtime.set(runtime);
    }

    pub(crate) fn runtime(&self) -> Option<&Arc<dyn RuntimeSession>> {
        self.runtime.get()
    }

    /// Lets executions in.
    ///
    /// # Errors
    /// The reason, when the session has died already.
    pub(crate) fn set_ready(&self) -> Result<(), String> {
        let mut state = self.lock();
        if let Some(reason) = &state.dead {
            return Err(reason.clone());
        }
        state.ready = true;
        state.idle_since = Some(Instant::now());
        drop(state);
        self.tell();
        Ok(())
    }

    /// Notes that the session's processes are gone; says whether that is news to somebody: whoever starts or closes the
    /// session deals with it anyway.
    pub(crate) fn set_dead(&self, reason: &str) -> bool {
        let mut state = self.lock();
        state.dead = Some(reason.to_owned());
        let is_news = state.ready && state.closing.is_none();
        drop(state);
        self.tell();
        is_news
    }

    /// Notes that somebody tries to store the session's end until that succeeds; says whether nobody did.
    pub(crate) fn set_ending(&self) -> bool {
        !std::mem::replace(&mut self.lock().ending, true)
    }

    /// Notes what runs from now on.
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
        self.tell();
    }

    /// Notes that nothing runs any more.
    pub(crate) fn end_running(&self) {
        let mut state = self.lock();
        state.running = None;
        state.idle_since = Some(Instant::now());
        drop(state);
        self.tell();
    }

    /// How many executions have begun here.
    pub(crate) fn begun(&self) -> u64 {
        self.lock().begun
    }

    /// The execution that began after the first `count`, if there is one; an error if it is not kept any more.
    pub(crate) fn begun_after(&self, count: u64) -> Result<Option<Arc<RunningExecution>>, NotKept> {
        let state = self.lock();
        let behind = usize::try_from(state.begun.saturating_sub(count)).unwrap_or(usize::MAX);
        match state.recent.len().checked_sub(behind) {
            Some(index) => Ok(state.recent.get(index).cloned()),
            None => Err(NotKept),
        }
    }

    /// Hears when something happens to the session.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How many clients follow its event stream, from now on.
    pub(crate) fn followers(&self) -> watch::Receiver<usize> {
        self.followed.subscribe()
    }

    /// How many follow the session.
    pub(crate) fn news_receivers(&self) -> u32 {
        u32::try_from(self.news.receiver_count()).unwrap_or(u32::MAX)
    }

    /// Tells those who follow the session that something happened.
    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// What runs now.
    pub(crate) fn running(&self) -> Option<Uuid> {
        self.lock().running
    }

    /// Since when the session is ready and nothing runs in it, if it is so.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        state.idle_since.filter(|_| state.ready)
    }

    /// Whether it has ever taken executions.
    pub(crate) fn has_been_ready(&self) -> bool {
        self.lock().ready
    }

    /// Where the session is in its life, as its record says or soon will.
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

    /// Notes that the session is being closed; the first reason stays.
    pub(crate) fn set_closing(&self, reason: &str) {
        self.lock().closing.get_or_insert_with(|| reason.to_owned());
    }

    /// Notes that the session is being closed, and ends its processes if there are any yet.
    pub(crate) async fn stop(&self, reason: &str) {
        self.set_closing(reason);
        if let Some(runtime) = self.runtime() {
            runtime.close().await;
        }
    }

    /// Why the session is being closed, if it is.
    pub(crate) fn closing(&self) -> Option<String> {
        self.lock().closing.clone()
    }

    /// Takes the session for an execution.
    pub(crate) fn try_take(&self) -> Result<BusyGuard, Error> {
        let taken = Arc::clone(&self.busy).try_lock_owned();
        // Asked for with the session in hand: nobody closes an idle one between the two.
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

    /// Waits until nothing runs in the session.
    pub(crate) async fn take(&self) -> BusyGuard {
        Arc::clone(&self.busy).lock_owned().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that follows a session's event stream, for as long as this is kept.
pub(crate) struct Following(Arc<LiveSession>);

impl Following {
    /// Counts one more.
    pub(crate) fn of(session: Arc<LiveSession>) -> Self {
        session.followed.send_modify(|count| *count += 1);
        Self(session)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.followed.send_modify(|count| *count -= 1);
    }
}

/// All of them, by id.
#[derive(Default)]
pub(crate) struct Registry {
    live: RwLock<HashMap<Uuid, Arc<LiveSession>>>,
}

impl Registry {
    /// Adds a session, unless there are `most` already; says whether it did.
    pub(crate) fn insert(&self, session: Arc<LiveSession>, most: usize) -> bool {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = live.len() < most;
        if has_room {
            live.insert(session.id, session);
        }
        has_room
    }

    pub(crate) fn remove(&self, id: Uuid) {
        let removed = self
            .live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        if let Some(session) = removed {
            session.tell();
        }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Arc<LiveSession>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Whether that session is there and has not taken executions yet.
    pub(crate) fn is_starting(&self, id: Uuid) -> bool {
        self.get(id)
            .is_some_and(|session| !session.has_been_ready())
    }

    /// Those that have not taken executions yet.
    pub(crate) fn starting(&self) -> Vec<Uuid> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        starting_among(&live).collect()
    }

    /// Those that have not taken executions yet, and those of `were_starting` that are gone: whoever went never did.
    pub(crate) fn never_ready(&self, were_starting: &[Uuid]) -> Vec<Uuid> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let gone = were_starting
            .iter()
            .copied()
            .filter(|id| !live.contains_key(id));
        gone.chain(starting_among(&live)).collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<LiveSession>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}

fn starting_among(live: &HashMap<Uuid, Arc<LiveSession>>) -> impl Iterator<Item = Uuid> {
    let starting = live.values().filter(|session| !session.has_been_ready());
    starting.map(|session| session.id)
}
