//! Bytes that many requests share: whoever holds some has a lease, and gives it back by dropping it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which a budget counts, in bytes: a semaphore's permits are 32-bit numbers.
const UNIT_BYTES: usize = 1024;

/// How long a caller waits for its share before it is refused.
pub(crate) const SHARE_TIMEOUT: Duration = Duration::from_secs(5);

/// A bound on the bytes that many requests hold together. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    total_units: u32,
}

/// A share of a [`Budget`], given back when it is dropped. The default one is of nothing.
#[derive(Debug, Default)]
pub struct Lease {
    permit: Option<OwnedSemaphorePermit>,
}

/// The budget has no room, also after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// A budget of so many bytes.
    pub fn new(total_bytes: usize) -> Self {
        let total_units = u32::try_from(total_bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(total_units as usize)),
            total_units,
        }
    }

    /// Takes a share at once, or not at all. What is larger than the whole budget counts as the whole.
    pub fn try_take(&self, bytes: usize) -> Option<Lease> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(self.units(bytes));
        Some(Lease {
            permit: Some(permit.ok()?),
        })
    }

    /// Takes a share, for which it waits up to five seconds; callers are served in their order. What is larger than the
    /// whole budget counts as the whole: it goes alone.
    ///
    /// # Errors
    /// [`Exhausted`] when others hold too much for too long.
    pub async fn take(&self, bytes: usize) -> Result<Lease, Exhausted> {
        let taken = tokio::time::timeout(SHARE_TIMEOUT, self.wait_for(bytes)).await;
        taken.map_err(|_| Exhausted)
    }

    /// The same, for as long as it takes.
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
    /// Whether it is of nothing.
    pub fn is_empty(&self) -> bool {
        self.permit.is_none()
    }

    /// Adds another share of the same budget to this one.
    pub fn add(&mut self, other: Self) {
        match (&mut self.permit, other.permit) {
            (Some(permit), Some(other)) => permit.merge(other),
            (permit @ None, other) => *permit = other,
            (Some(_), None) => {}
        }
    }

    /// Gives back what is more than so many bytes.
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
        let all = budget.try_take(usize::MAX).expect("nobody else is there");
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
