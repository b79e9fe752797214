//! The memory that the daemon holds on behalf of all sessions together.
//!
//! A script decides how large a file is that it reads, a message that it sends, a text that it
//! prints. Before the daemon reads such bytes it takes a lease on one budget, which it drops with
//! the bytes; a caller waits while too few are free. Small amounts need no lease, so that a session
//! that asks for little never waits for one that asks for much.
//!
//! Small events that wait for the disk together have a budget of their own. With one budget, a
//! batch of small events that waits for a lease could hold up large events that have theirs, and
//! both would wait for each other.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::budget::lease::{Budget, Lease, SHARE_TIMEOUT};

/// The size of the budget of all sessions together, in bytes.
const BUDGET_BYTES: usize = 128 * 1024 * 1024;

/// The size of the budget of small events that wait for the disk, in bytes.
const QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// The largest amount that needs no lease, in bytes: a thousand sessions with as much each hold
/// half as much as the budget.
pub const FREE_BYTES: usize = 64 * 1024;

/// How long a host call waits for a lease before it fails.
pub const ROOM_TIMEOUT: Duration = SHARE_TIMEOUT;

/// The budget of the memory that is held for sessions. Clones share it. Callers are served in their
/// order.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    held: Budget,
    /// The budget of small events that wait for the disk.
    queued: Budget,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of_bytes(BUDGET_BYTES)
    }
}

impl MemoryBudget {
    /// A budget of this number of bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        Self {
            held: Budget::new(bytes),
            queued: Budget::new(QUEUED_BYTES),
        }
    }

    /// Takes a lease on a number of bytes, and waits until they are free. A small amount gets an
    /// empty lease, more than the whole budget the whole.
    pub async fn take(&self, bytes: usize) -> Lease {
        if bytes <= FREE_BYTES {
            return Lease::default();
        }
        self.held.wait_for(bytes).await
    }

    /// Takes a lease for small events that go to the store. Leases on this budget become free as
    /// the store writes, whatever else waits.
    pub(crate) async fn take_for_store(&self, bytes: usize) -> Lease {
        self.queued.wait_for(bytes).await
    }

    /// As [`take`](Self::take), for a host call on a thread that may block; `None` when too few
    /// bytes became free within [`ROOM_TIMEOUT`].
    pub fn take_for_call(&self, bytes: usize) -> Option<Lease> {
        self.take_blocking(bytes, ROOM_TIMEOUT)
    }

    /// As [`take_for_call`](Self::take_for_call), with another time to wait.
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
        // More than the whole budget is the whole.
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
