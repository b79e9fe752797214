//! A budget of bytes that many requests share. A request takes a lease on some, and gives it back
//! when it drops the lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which a budget counts, in bytes: a semaphore's permits are 32-bit numbers.
const UNIT_BYTES: usize = 1024;

/// The size of the budget of answers to clients, in bytes: four portions of a list. Small answers
/// take no share of it.
pub(crate) const ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// How long a caller waits for a lease before it is refused.
pub(crate) const SHARE_TIMEOUT: Duration = Duration::from_secs(5);

/// A bound on the bytes that many requests hold together. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    total_units: u32,
}

/// A number of bytes of a [`Budget`], given back when this is dropped. The default lease is empty.
#[derive(Debug, Default)]
pub struct Lease {
    permit: Option<OwnedSemaphorePermit>,
}

/// The budget had too few free bytes for five seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// A budget of `total_bytes`.
    pub fn new(total_bytes: usize) -> Self {
        let total_units = u32::try_from(total_bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(total_units as usize)),
            total_units,
        }
    }

    /// Takes a lease at once; `None` when too few bytes are free. More than the whole budget counts
    /// as the whole.
    pub fn try_take(&self, bytes: usize) -> Option<Lease> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(self.units(bytes));
        Some(Lease {
            permit: Some(permit.ok()?),
        })
    }

    /// Takes a lease, for which it waits up to five seconds; callers are served in their
    /// order. More than the whole budget counts as the whole, and so excludes every other lease.
    ///
    /// # Errors
    /// [`Exhausted`] when too few bytes became free in that time.
    pub async fn take(&self, bytes: usize) -> Result<Lease, Exhausted> {
        let taken = tokio::time::timeout(SHARE_TIMEOUT, self.wait_for(bytes)).await;
        taken.map_err(|_| Exhausted)
    }

    /// As [`take`](Self::take), without a bound on the time.
    pub async fn wait_for(&self, bytes: usize) -> Lease {
        let permit = Arc::clone(&self.free).acquire_many_owned(self.units(bytes));
        // The semaphore is never closed.
        Lease {
            permit: permit.await.ok(),
        }
    }

    fn units(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        units.min(self.total_units)
    }
}

impl Lease {
    /// Whether the lease is of no bytes.
    pub fn is_empty(&self) -> bool {
        self.permit.is_none()
    }

    /// Adds another lease on the same budget to this one.
    pub fn add(&mut self, other: Self) {
        match (&mut self.permit, other.permit) {
            (Some(permit), Some(other)) => permit.merge(other),
            (permit @ None, other) => *permit = other,
            (Some(_), None) => {}
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            let kept = bytes.div_ceil(UNIT_BYTES);
            let spare = permit.num_permits().saturating_sub(kept);
            drop(permit.split(spare));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn shares_are_taken_up_to_the_total_and_given_back() {
        let budget = Budget::new(10 * KIB);
        let mut lease = budget.try_take(4 * KIB).expect("there is room");
        lease.add(budget.try_take(5 * KIB + 1).expect("there is room"));
        assert!(budget.try_take(1).is_none());
        lease.shrink_to(3 * KIB);
        let rest = budget.try_take(7 * KIB).expect("it was given back");
        assert!(budget.try_take(1).is_none());
        drop((lease, rest));
        assert!(budget.try_take(10 * KIB).is_some());
    }

    #[test]
    fn what_is_larger_than_the_whole_goes_alone() {
        let budget = Budget::new(10 * KIB);
        let all = budget.try_take(usize::MAX).expect("no other lease exists");
        assert!(budget.try_take(1).is_none());
        drop(all);
        let _some = budget.try_take(1).expect("it was given back");
        assert!(budget.try_take(usize::MAX).is_none());
    }

    #[tokio::test]
    async fn a_share_is_waited_for() {
        let budget = Budget::new(10 * KIB);
        let held = budget.try_take(6 * KIB).expect("there is room");
        let waiting = budget.take(5 * KIB);
        let giving = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        let (taken, ()) = tokio::join!(waiting, giving);
        assert!(taken.is_ok());
    }
}
