//! Slots for connections. If all slots are taken, an idle connection is closed for the next client.
//!
//! A connection is idle until the head of a request has arrived, and again after the answer has
//! been written. If there is no idle connection, one that waits for the body of a request is
//! closed, if nothing of the body has arrived for [`SILENCE`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a client may send nothing of a body before its connection can be closed for another.
const SILENCE: Duration = Duration::from_secs(1);

/// How long to wait for a slot before another connection is asked to close: the connection that was
/// asked before may have become busy.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The slots of a daemon.
pub(crate) struct ConnectionSlots {
    /// One permit for each free slot.
    free: Arc<Semaphore>,
    /// The connections; one that has ended may still be listed.
    taken: Mutex<Vec<Weak<Connection>>>,
}

/// A slot that a connection has. It becomes free when this is dropped.
pub(crate) struct ConnectionSlot {
    pub(crate) connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// The state of a connection, as far as it decides whether the connection may be closed.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    /// Whether a write waits for the client.
    is_writing: AtomicBool,
    /// Notified when the connection is asked to close.
    asked: Notify,
}

/// The phase of a connection, and when it began.
#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
}

/// What a connection does. The order is that in which connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// No request is under way.
    Idle,
    /// The daemon waits for more of the body of a request.
    Receiving,
    /// A request is being handled or answered.
    Busy,
}

impl ConnectionSlots {
    /// Makes `count` free slots.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
        }
    }

    /// Waits for a free slot. Meanwhile it asks connections that do nothing to close.
    pub(crate) async fn take(&self) -> ConnectionSlot {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.ask();
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(ASK_AGAIN_AFTER, free).await {
                break permit.expect("the semaphore is never closed");
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

    /// Asks the connection to close that has done nothing for the longest time.
    fn ask(&self) {
        let mut taken = self.lock();
        taken.retain(|connection| connection.strong_count() > 0);
        let connections = taken.iter().filter_map(Weak::upgrade);
        let idle = connections.filter_map(|connection| {
            let state = connection.closable()?;
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
    /// Returns when the connection was asked to close and may be closed.
    pub(crate) async fn given_up(&self) {
        loop {
            self.asked.notified().await;
            if self.closable().is_some() {
                return;
            }
        }
    }

    /// Records that a request has arrived.
    pub(crate) fn begin(self: &Arc<Self>) -> Answering {
        self.set(Phase::Busy);
        Answering(Arc::clone(self))
    }

    /// Records that the daemon waits for more of a body.
    pub(crate) fn wait_for_body(&self) {
        self.change(Phase::Busy, Phase::Receiving);
    }

    /// Records that some of a body has arrived, or its end.
    pub(crate) fn got_body(&self) {
        self.change(Phase::Receiving, Phase::Busy);
    }

    /// Records whether a write waits for the client.
    pub(crate) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// The state of the connection; `None` if its client would lose an answer when it is closed.
    fn closable(&self) -> Option<State> {
        let state = *self.lock();
        let is_closable = match state.phase {
            Phase::Idle => !self.is_writing.load(Ordering::Relaxed),
            Phase::Receiving => state.since.elapsed() >= SILENCE,
            Phase::Busy => false,
        };
        is_closable.then_some(state)
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

/// A request on a connection. The connection is idle again when this is dropped.
pub(crate) struct Answering(Arc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a slot becomes free though all are taken.
    async fn becomes_free(connection_slots: &ConnectionSlots) -> bool {
        tokio::time::timeout(5 * ASK_AGAIN_AFTER, connection_slots.take())
            .await
            .is_ok()
    }

    /// A connection that closes when it is asked to.
    fn serve(slot: ConnectionSlot) -> (Arc<Connection>, tokio::task::JoinHandle<()>) {
        let connection = Arc::clone(&slot.connection);
        let served = tokio::spawn(async move {
            slot.connection.given_up().await;
            drop(slot);
        });
        (connection, served)
    }

    #[tokio::test]
    async fn the_connection_that_was_idle_for_the_longest_time_is_closed() {
        let connection_slots = ConnectionSlots::new(2);
        let (_, first) = serve(connection_slots.take().await);
        let (_, second) = serve(connection_slots.take().await);
        let _third = connection_slots.take().await;
        first.await.unwrap();
        assert!(!second.is_finished());
    }

    #[tokio::test]
    async fn a_connection_keeps_its_slot_while_it_works() {
        let connection_slots = ConnectionSlots::new(1);
        let (connection, served) = serve(connection_slots.take().await);
        let answering = connection.begin();
        assert!(!becomes_free(&connection_slots).await);
        connection.wait_for_body();
        assert!(
            !becomes_free(&connection_slots).await,
            "the body may be on its way"
        );
        connection.lock().since = Instant::now().checked_sub(SILENCE).unwrap();
        connection.got_body();
        assert!(
            !becomes_free(&connection_slots).await,
            "the body has gone on"
        );
        drop(answering);
        connection.set_writing(true);
        assert!(
            !becomes_free(&connection_slots).await,
            "the answer is on its way"
        );
        connection.set_writing(false);
        assert!(becomes_free(&connection_slots).await);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_goes_silent_within_a_body_loses_its_slot() {
        let connection_slots = ConnectionSlots::new(1);
        let (connection, served) = serve(connection_slots.take().await);
        let _answering = connection.begin();
        connection.wait_for_body();
        connection.lock().since = Instant::now().checked_sub(SILENCE).unwrap();
        assert!(becomes_free(&connection_slots).await);
        served.await.unwrap();
    }
}
