//! Whether something that is kept in memory is still what the store has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the writes to a part of the store.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A write that has begun; it ends when this is dropped, which must be after the commit and before the answer.
#[derive(Debug)]
pub(super) struct Change(Arc<Changes>);

/// What that part of the store was at a moment. The same again means that nothing has changed in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

impl Changes {
    /// Notes that a write begins.
    pub(super) fn begin(changes: &Arc<Self>) -> Change {
        changes.begun.fetch_add(1, Ordering::SeqCst);
        Change(Arc::clone(changes))
    }

    /// The version of now; none while something is being written, of which nobody knows whether readers see it yet.
    pub(crate) fn version(&self) -> Option<Version> {
        // In this order: a write that begins in between is not taken for one that has ended.
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (begun == ended).then_some(Version(begun))
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_version_while_something_is_written() {
        let changes = Arc::new(Changes::default());
        let before = changes.version();
        assert!(before.is_some());
        let (first, second) = (Changes::begin(&changes), Changes::begin(&changes));
        assert_eq!(changes.version(), None);
        drop(first);
        assert_eq!(changes.version(), None);
        drop(second);
        assert!(changes.version().is_some());
        assert_ne!(changes.version(), before);
    }
}
