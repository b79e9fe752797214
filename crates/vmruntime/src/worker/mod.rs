//! The worker side: everything that runs outside the daemon.
//!
//! ```text
//! daemon ── worker (zygote: exec'ed, warmed up, parent of all below)
//!             ├─ session process S1          runs the code; generation 1
//!             ├─ checkpoint of S1            a fork of it, asleep, with the heap of an earlier commit
//!             └─ session process S2          has run nothing that could not be run once more, and needs no checkpoint
//! ```
//!
//! A session process runs a script, says how it ended, forks a new checkpoint and dismisses the old one: that is the
//! commit. A short script that comes to the same whenever it is run is kept as its text instead (`redo.rs`). If the session
//! process dies (a limit, a crash, `kill -9`), its checkpoint wakes up, becomes the session process of the next generation and
//! makes a checkpoint of its own: the script is rolled back. Checkpoints are forked as siblings (`CLONE_PARENT`), so that the
//! zygote is the parent of every process, reaps each and knows each death. Until something needs one a session has no checkpoint: it is forked from the zygote once more instead. A session is a
//! kernel session (`setsid`) too: the group of a process is proof of whose it is.
//!
//! Every process here has exactly one thread, which is asserted before each fork.

mod checkpoint;
pub(crate) mod exit;
mod limits;
mod link;
mod memory;
pub(crate) mod oom;
mod post_mortem;
pub(crate) mod process;
mod query;
mod replay;
mod sandbox;
mod session;
mod stopped;
mod zygote;

pub use memory::allocator::CountingAllocator;

use std::io;

use crate::engine::ModuleScript;
use memory::allocator;

/// Serves the daemon as a zygote of the engine with that name, whose scripts find these host modules.
///
/// # Errors
/// When the engine can't be built or a system call fails that never fails otherwise.
pub(crate) fn serve_sessions(engine: &str, modules: &'static [ModuleScript]) -> io::Result<()> {
    allocator::start_counting();
    zygote::serve(engine, modules)
}
