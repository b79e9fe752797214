//! The deliberate end of a worker process. It calls `_exit`, so that no destructors run and no
//! buffer that a fork copied is flushed twice.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::post_mortem;
use crate::ipc::ExitCause;

/// Whether this process is a query process, whose exit status carries no information.
static IS_DISPOSABLE: AtomicBool = AtomicBool::new(false);

/// Marks this process as a query process. From now on it ends as [`ExitCause::Done`], whatever the
/// cause.
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
    // SAFETY: `_exit` takes any status, touches no memory of this program and does not return.
    unsafe { libc::_exit(cause.status()) }
}

/// Writes a note to the post-mortem page and then ends this process.
pub(crate) fn noting(cause: ExitCause, note: &str) -> ! {
    post_mortem::note(note.as_bytes());
    now(cause)
}
