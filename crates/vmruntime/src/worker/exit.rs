//! How a worker process ends on purpose. Children end with `_exit`: no destructors run and no doubled buffer is flushed.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::post_mortem as page;

/// A dismissed checkpoint, a closed session, a zygote whose daemon is gone.
pub(crate) const DONE: i32 = 0;
/// The heap passed its limit, or the system had no memory.
pub(crate) const MEMORY: i32 = 70;
/// An output limit was passed.
pub(crate) const OUTPUT: i32 = 71;
/// The native stack overflowed.
pub(crate) const STACK: i32 = 72;
/// The engine or the worker panicked.
pub(crate) const PANIC: i32 = 73;
/// The channel to the daemon failed, or what came over it made no sense.
pub(crate) const CHANNEL: i32 = 74;
/// No checkpoint could be made.
pub(crate) const CHECKPOINT: i32 = 75;
/// Native code touched memory that is not there.
pub(crate) const FAULT: i32 = 76;

/// What was run once more went another way.
pub(crate) const REDO: i32 = 78;

/// The script waited for something that could not happen any more.
pub(crate) const DEADLOCK: i32 = 77;

/// Whether nobody asks why this process ended.
static THROWN_AWAY: AtomicBool = AtomicBool::new(false);

/// Makes this a process that answers one question: however it ends, it is done.
pub(crate) fn be_thrown_away() {
    THROWN_AWAY.store(true, Relaxed);
}

/// Ends this process at once.
pub(crate) fn now(code: i32) -> ! {
    let code = if THROWN_AWAY.load(Relaxed) {
        DONE
    } else {
        code
    };
    // SAFETY: `_exit` takes any code, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}

/// Notes why, then ends this process at once.
pub(crate) fn noting(code: i32, note: &str) -> ! {
    page::note(note.as_bytes());
    now(code)
}
