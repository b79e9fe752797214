//! How a worker process ends on purpose: with `_exit`, so that no destructors run and no buffer
//! that a fork copied is flushed twice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::post_mortem;
use crate::ipc::ExitCause;

/// Whether the exit status of this process means nothing.
static IS_DISPOSABLE: AtomicBool = AtomicBool::new(false);

/// Makes this a process that answers one query: from now on it ends as [`ExitCause::Done`], for
/// whatever cause.
pub(crate) fn be_disposable() {
    IS_DISPOSABLE.store(true, Relaxed);
}

/// Ends this process at once.
pub(crate) fn now(cause: ExitCause) -> ! {
    let cause = if IS_DISPOSABLE.load(Relaxed) {
        ExitCause::Done
    } else {
        cause
    };
    // SAFETY: `_exit` takes any status, touches no memory of ours and does not return.
    unsafe { libc::_exit(cause.status()) }
}

/// Writes a note on the post-mortem page, then ends this process at once.
pub(crate) fn noting(cause: ExitCause, note: &str) -> ! {
    post_mortem::note(note.as_bytes());
    now(cause)
}
