//! The text of a file that is to be run: room for it in the daemon's memory is taken before it is read.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::Lease;
use crate::budget::MemoryBudget;
use crate::tasks::blocking;
use crate::{Error, Result, Worktree};

/// The largest script, in bytes.
pub const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// How long a file that is to be run waits for room in memory.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// The text of a file that is about to be run.
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    /// The room that it takes.
    pub(crate) charge: Lease,
}

/// Reads the text of a file of a session's worktree, for which there may have to be room first; gives its clean path, too.
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
            // It is there once as it is read and once as it is shared.
            let charge = memory.take_blocking(2 * length, SOURCE_TIMEOUT);
            charge.ok_or_else(busy)
        })?;
        let text = text.into();
        Ok((path, Source { text, charge }))
    })
    .await
}
