//! Writes whose outcome can be waited for later.

use std::sync::Arc;

use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;

/// How long a write may wait for others that would be made durable together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// No caller waits for it yet. A store may hold it back for some milliseconds.
    Lazy,
    /// A caller waits for it, or will at once.
    Prompt,
}

/// The room for writes that a store has accepted and not done yet. It bounds what a slow disk can
/// make the daemon hold.
#[derive(Debug)]
pub struct WriteRoom {
    free: Arc<Semaphore>,
}

/// Room for one write, until that is done.
#[derive(Debug)]
pub struct WritePermit {
    _permit: OwnedSemaphorePermit,
}

impl WriteRoom {
    /// Room for this number of writes.
    pub fn new(writes: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(writes)),
        }
    }

    /// Waits for room for one write. A caller that has a permit must not wait for anything that
    /// needs another one: all of them may be taken.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn reserve(&self) -> Result<WritePermit, StoreError> {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        permit
            .map(|permit| WritePermit { _permit: permit })
            .map_err(|_| StoreError::Closed)
    }
}

/// A write that was submitted and whose outcome can be waited for. It is done whether this is
/// dropped or not.
#[derive(Debug)]
pub struct PendingWrite<T>(oneshot::Receiver<Result<T, StoreError>>);

/// The end of a [`PendingWrite`] that an implementation keeps. If it is dropped, the outcome is
/// [`StoreError::Closed`].
#[derive(Debug)]
pub struct WriteAnswer<T>(oneshot::Sender<Result<T, StoreError>>);

/// The two ends of a write that is to be submitted: that of the store and that of the caller.
pub fn pending_write<T>() -> (WriteAnswer<T>, PendingWrite<T>) {
    let (answer, pending) = oneshot::channel();
    (WriteAnswer(answer), PendingWrite(pending))
}

impl<T> PendingWrite<T> {
    /// Waits until the write is done, which means that it is durable or has failed.
    ///
    /// # Errors
    /// Those of the write.
    pub async fn wait(self) -> Result<T, StoreError> {
        self.0.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The outcome, if the write is done by now. Once this has given an outcome it must not be
    /// called again.
    pub fn outcome(&mut self) -> Option<Result<T, StoreError>> {
        match self.0.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(StoreError::Closed)),
        }
    }
}

impl<T> WriteAnswer<T> {
    /// Sends the outcome of the write. The caller may have stopped waiting.
    pub fn send(self, outcome: Result<T, StoreError>) {
        let _ = self.0.send(outcome);
    }
}
