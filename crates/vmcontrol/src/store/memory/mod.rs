//! A store in memory, for tests of the code above the port.
//!
//! It conforms to the port but is not durable: a write is done when it is submitted, and the data
//! is lost when the store is dropped. A test can hold writes back, make the store refuse them, and
//! copy the store: the copy is what a daemon finds that starts after another was killed.

mod data;
mod executions;
mod pages;
mod port;
mod retention;
mod templates;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{PendingWrite, StoreError, WritePermit, WriteRoom, pending_write};
use data::Data;

/// The number of writes that may wait while they are held back.
const MAX_QUEUED: usize = 1024;

/// A store in memory.
pub struct MemoryStore {
    room: WriteRoom,
    state: Arc<Mutex<State>>,
}

/// A write that waits. Its argument is whether the store refuses it.
type Job = Box<dyn FnOnce(&mut Data, bool) + Send>;

#[derive(Default)]
struct State {
    data: Data,
    queue: VecDeque<Job>,
    /// The number of guards that hold writes back.
    holders: usize,
    /// The number of guards that make the store refuse writes.
    refusers: usize,
    is_closed: bool,
}

impl State {
    /// Does the waiting writes, unless they are held back.
    fn run(&mut self) {
        while self.holders == 0
            && let Some(job) = self.queue.pop_front()
        {
            job(&mut self.data, self.refusers > 0);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds writes back until it is dropped.
#[must_use]
pub struct HeldWrites(Arc<Mutex<State>>);

impl Drop for HeldWrites {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.holders -= 1;
        state.run();
    }
}

/// Makes the store refuse writes with [`StoreError::Unreachable`] until it is dropped.
#[must_use]
pub struct RefusedWrites(Arc<Mutex<State>>);

impl Drop for RefusedWrites {
    fn drop(&mut self) {
        lock(&self.0).refusers -= 1;
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::of(Data::default())
    }
}

impl MemoryStore {
    fn of(data: Data) -> Self {
        let state = State {
            data,
            ..State::default()
        };
        Self {
            room: WriteRoom::new(MAX_QUEUED),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Another store with a copy of the data, also if this one is closed.
    pub fn copy(&self) -> Self {
        Self::of(lock(&self.state).data.clone())
    }

    /// Holds writes back until the guard is dropped: they are submitted and not done.
    pub fn hold_writes(&self) -> HeldWrites {
        lock(&self.state).holders += 1;
        HeldWrites(Arc::clone(&self.state))
    }

    /// Makes the store refuse writes until the guard is dropped, like a database that can't be
    /// reached.
    pub fn refuse_writes(&self) -> RefusedWrites {
        lock(&self.state).refusers += 1;
        RefusedWrites(Arc::clone(&self.state))
    }

    /// The number of writes that are held back.
    pub fn waiting_writes(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// Reads from the tables.
    fn read<T>(&self, read: impl FnOnce(&Data) -> T) -> Result<T, StoreError> {
        let state = lock(&self.state);
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        Ok(read(&state.data))
    }

    /// Submits a write. A write that fails must not have changed anything.
    fn submit<T: Send + 'static>(
        &self,
        permit: WritePermit,
        write: impl FnOnce(&mut Data) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<PendingWrite<T>, StoreError> {
        let (answer, pending) = pending_write();
        let job = move |data: &mut Data, is_refused| {
            answer.send(if is_refused {
                Err(StoreError::Unreachable("writes are refused".into()))
            } else {
                write(data)
            });
            drop(permit);
        };
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        state.queue.push_back(Box::new(job));
        state.run();
        Ok(pending)
    }

    /// Submits a write and waits until it is done.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Data) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.room.reserve().await?;
        self.submit(permit, write)?.wait().await
    }

    /// Does the waiting writes, also those that are held back. Later operations are refused.
    fn close_now(&self) {
        let mut state = lock(&self.state);
        let holders = std::mem::take(&mut state.holders);
        state.run();
        state.holders = holders;
        state.is_closed = true;
    }
}
