//! Places for connections. Where all are taken, a connection that is idle gives up its own to the next client.
//!
//! A connection is idle until the head of a request has come, and again once the answer is written. One that waits for the body
//! of a request is given up as well, after idle ones, if nothing of it has come for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a client may send nothing of a body before its place can be given to another.
const SILENCE: Duration = Duration::from_secs(1);

/// How long to wait for a place before another connection is asked for its own: that one may have become busy.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The places that there are.
pub(crate) struct ConnectionSlots {
    free: Arc<Semaphore>,
    taken: Mutex<Vec<Weak<Connection>>>,
}

/// A place. It is free again when this is dropped.
pub(crate) struct ConnectionSlot {
    pub(crate) connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    /// Whether a write waits for the client.
    is_writing: AtomicBool,
    asked: Notify,
}

/// What a connection does, and since when.
#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No request is under way.
    Idle,
    /// The rest of a request's body is waited for.
    Receiving,
    /// A request is worked on or answered.
    Busy,
}

impl ConnectionSlots {
    /// So many.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
        }
    }

    /// Waits for a place; asks connections that do nothing for theirs meanwhile.
    pub(crate) async fn take(&self) -> ConnectionSlot {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.ask();
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(ASK_AGAIN_AFTER, free).await {
                break permit.expect("nobody closes the semaphore");
            }
        };
        let connection = Arc::new(Connection {
            state: Mutex::new(State::now(Phase::Idle)),
            is_writing: AtomicBool::new(false),
            asked: Notify::new(),
        });
        let mut taken = self.lock();
        if taken.len() == taken.capacity() {
            taken.retain(|connection| connection.strong_count() > 0);
        }
        taken.push(Arc::downgrade(&connection));
        ConnectionSlot {
            connection,
            _permit: permit,
        }
    }

    /// Asks the connection for its place that has done nothing for the longest time.
    fn ask(&self) {
        let mut taken = self.lock();
        taken.retain(|connection| connection.strong_count() > 0);
        let connections = taken.iter().filter_map(Weak::upgrade);
        let idle = connections.filter_map(|connection| {
            let state = connection.can_go()?;
            Some((state.phase, state.since, connection))
        });
        let longest = idle.min_by_key(|(phase, since, _)| (*phase, *since));
        if let Some((_, _, connection)) = longest {
            connection.asked.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(phase: Phase) -> Self {
        Self {
            phase,
            since: Instant::now(),
        }
    }
}

impl Connection {
    /// Waits until the connection is to be given up, and does nothing then.
    pub(crate) async fn given_up(&self) {
        loop {
            self.asked.notified().await;
            if self.can_go().is_some() {
                return;
            }
        }
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Answering {
        self.set(Phase::Busy);
        Answering(Arc::clone(self))
    }

    /// More of a body is waited for.
    pub(crate) fn wait_for_body(&self) {
        self.change(Phase::Busy, Phase::Receiving);
    }

    /// Some of a body has come, or its end.
    pub(crate) fn got_body(&self) {
        self.change(Phase::Receiving, Phase::Busy);
    }

    /// A write waits for the client, or goes on.
    pub(crate) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// What it does, if that is nothing that its client would miss.
    fn can_go(&self) -> Option<State> {
        let state = *self.lock();
        let can_go = match state.phase {
            Phase::Idle => !self.is_writing.load(Ordering::Relaxed),
            Phase::Receiving => state.since.elapsed() >= SILENCE,
            Phase::Busy => false,
        };
        can_go.then_some(state)
    }

    fn change(&self, from: Phase, to: Phase) {
        let mut state = self.lock();
        if state.phase == from {
            *state = State::now(to);
        }
    }

    fn set(&self, phase: Phase) {
        *self.lock() = State::now(phase);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request is under way on a connection for as long as this lives.
pub(crate) struct Answering(Arc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a place can be had though all are taken.
    async fn can_be_had(connection_slots: &ConnectionSlots) -> bool {
        tokio::time::timeout(5 * ASK_AGAIN_AFTER, connection_slots.take())
            .await
            .is_ok()
    }

    /// A connection that goes when it is to.
    fn serve(place: ConnectionSlot) -> (Arc<Connection>, tokio::task::JoinHandle<()>) {
        let connection = Arc::clone(&place.connection);
        let served = tokio::spawn(async move {
            place.connection.given_up().await;
            drop(place);
        });
        (connection, served)
    }

    #[tokio::test]
    async fn the_connection_gives_up_its_place_that_was_idle_for_the_longest_time() {
        let connection_slots = ConnectionSlots::new(2);
        let (_, first) = serve(connection_slots.take().await);
        let (_, second) = serve(connection_slots.take().await);
        let _third = connection_slots.take().await;
        first.await.unwrap();
        assert!(!second.is_finished());
    }

    #[tokio::test]
    async fn a_connection_keeps_its_place_while_it_works() {
        let connection_slots = ConnectionSlots::new(1);
        let (connection, served) = serve(connection_slots.take().await);
        let answering = connection.begin();
        assert!(!can_be_had(&connection_slots).await);
        connection.wait_for_body();
        assert!(
            !can_be_had(&connection_slots).await,
            "it may just be on its way"
        );
        connection.lock().since = Instant::now().checked_sub(SILENCE).unwrap();
        connection.got_body();
        assert!(!can_be_had(&connection_slots).await, "it has gone on");
        drop(answering);
        connection.set_writing(true);
        assert!(
            !can_be_had(&connection_slots).await,
            "its answer is on its way"
        );
        connection.set_writing(false);
        assert!(can_be_had(&connection_slots).await);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_goes_silent_within_a_body_gives_up_its_place() {
        let connection_slots = ConnectionSlots::new(1);
        let (connection, served) = serve(connection_slots.take().await);
        let _answering = connection.begin();
        connection.wait_for_body();
        connection.lock().since = Instant::now().checked_sub(SILENCE).unwrap();
        assert!(can_be_had(&connection_slots).await);
        served.await.unwrap();
    }
}
