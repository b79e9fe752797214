//! What the daemon may hold in memory on behalf of sessions, all of them together.
//!
//! A script decides how large a file is that it reads, a message that it sends, a text that it prints. Before such bytes
//! are read, room for them is taken from one budget; it is given back when the bytes are. A caller that finds no room
//! waits. What is small has no need of it, so that a session that asks for little never waits for one that asks for much.
//!
//! Small events that wait for the disk together have a budget of their own: whoever takes room there may hold up large ones,
//! which have theirs already, and both would wait for each other.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::budget::lease::{Budget, Lease, SHARE_TIMEOUT};

/// What all sessions together may have the daemon hold, in bytes.
const BUDGET_BYTES: usize = 128 * 1024 * 1024;

/// What the small events of all sessions that wait for the disk may hold, in bytes.
const QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// What needs no room, in bytes: a thousand sessions that each have as much come to half of the budget.
pub const FREE_BYTES: usize = 64 * 1024;

/// How long a host call waits for room before it fails.
pub const ROOM_TIMEOUT: Duration = SHARE_TIMEOUT;

/// The budget of what is held for sessions. Clones share it. Room is given in the order in which it was asked for.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    held: Budget,
    queued: Budget,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of_bytes(BUDGET_BYTES)
    }
}

impl MemoryBudget {
    /// A budget of this size.
    pub fn of_bytes(bytes: usize) -> Self {
        Self {
            held: Budget::new(bytes),
            queued: Budget::new(QUEUED_BYTES),
        }
    }

    /// Takes room for so many bytes; waits until there is as much. What is more than the whole budget gets all of it.
    pub async fn take(&self, bytes: usize) -> Lease {
        if bytes <= FREE_BYTES {
            return Lease::default();
        }
        self.held.wait_for(bytes).await
    }

    /// Takes room for small events that go to the store. It is given back as the store writes, whatever else waits.
    pub(crate) async fn take_for_store(&self, bytes: usize) -> Lease {
        self.queued.wait_for(bytes).await
    }

    /// The same for a host call, on a thread that may block: nothing if there is no room in time.
    pub fn take_for_call(&self, bytes: usize) -> Option<Lease> {
        self.take_blocking(bytes, ROOM_TIMEOUT)
    }

    /// The same, with another time to wait.
    pub(crate) fn take_blocking(&self, bytes: usize, timeout: Duration) -> Option<Lease> {
        let take = async { tokio::time::timeout(timeout, self.take(bytes)).await };
        Handle::current().block_on(take).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_caller_waits_for_room_and_a_small_one_never_does() {
        let budget = MemoryBudget::of_bytes(1024 * 1024);
        let held = budget.take(700 * 1024).await;
        let mut waiting = pin!(budget.take(400 * 1024));
        assert!(matches!(futures_poll(&mut waiting), Poll::Pending));
        drop(budget.take(FREE_BYTES).await);
        drop(held);
        let more = waiting.await;
        drop(more);
        // More than there is: all of it.
        drop(budget.take(10 * 1024 * 1024).await);
    }

    #[tokio::test]
    async fn what_goes_to_the_store_never_waits_for_what_sessions_send() {
        let budget = MemoryBudget::default();
        let _all = budget.take(usize::MAX).await;
        let mut next = pin!(budget.take(BUDGET_BYTES));
        assert!(matches!(futures_poll(&mut next), Poll::Pending));
        let mut small = pin!(budget.take_for_store(1024 * 1024));
        assert!(matches!(futures_poll(&mut small), Poll::Ready(_)));
    }

    fn futures_poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut context)
    }
}
