//! The source text of a file to run: a lease on the daemon's memory is taken before it is read.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::{Lease, MemoryBudget};
use crate::tasks::blocking;
use crate::{Error, Result, Worktree};

/// The largest script, in bytes.
pub const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// How long a file to run waits for a lease on memory.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// The source text of a file to run.
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    /// The lease on the memory that it takes.
    pub(crate) charge: Lease,
}

/// Reads the source text of a file of a session's worktree; returns it with the file's clean path.
///
/// # Errors
/// [`Error::InvalidPath`], [`Error::FileNotFound`], [`Error::FileTooLarge`]; [`Error::Unavailable`]
/// when other sessions hold too much memory for too long.
pub(crate) async fn read_source(
    memory: &MemoryBudget,
    worktree: &Arc<Worktree>,
    path: &str,
) -> Result<(String, Source)> {
    let (worktree, path, memory) = (Arc::clone(worktree), path.to_owned(), memory.clone());
    blocking(move || {
        let busy = || Error::Unavailable {
            message: "the service holds too much for sessions just now: try again".into(),
        };
        let (path, text, charge) = worktree.read_named(&path, MAX_SOURCE_BYTES, |length| {
            // The text is in memory twice: as it is read, and as it is shared.
            let charge = memory.take_blocking(2 * length, SOURCE_TIMEOUT);
            charge.ok_or_else(busy)
        })?;
        let text = text.into();
        Ok((path, Source { text, charge }))
    })
    .await
}
