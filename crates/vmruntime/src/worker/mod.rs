//! The worker side: the processes that run outside the daemon.
//!
//! ```text
//! daemon ── worker (zygote: exec'ed, warmed up, parent of all below)
//!             ├─ session process S1    runs scripts; generation 1
//!             ├─ checkpoint of S1      a fork of it that sleeps with the heap of an earlier commit
//!             ├─ session process S2    has run only what the replay log holds: no checkpoint yet
//!             └─ query process         answers one query about S2 and ends
//! ```
//!
//! A session process runs a script, reports how the script ended, forks a new checkpoint and
//! dismisses the old one: that is the commit (`checkpoint.rs`). A short deterministic script is
//! committed by an entry in the replay log instead (`replay.rs`). If the session process dies (a
//! limit, a crash, `kill -9`), its checkpoint is promoted: it becomes the session process of the
//! next generation and makes a checkpoint of its own, and the script is rolled back. A session that
//! needs no checkpoint yet has none: if its process dies, the zygote forks another one.
//!
//! Checkpoints are forked as siblings (`CLONE_PARENT`), so that the zygote is the parent of every
//! process: it reaps each and knows of each death. Each session is also a kernel session
//! (`setsid`), so that the process group of a process shows which session it belongs to.
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

/// Serves the daemon as a zygote of the engine with that name. Its scripts can load the host
/// modules `modules`.
///
/// # Errors
/// When the engine can't be built or the system refuses something that it always grants.
pub(crate) fn serve_sessions(engine: &str, modules: &'static [ModuleScript]) -> io::Result<()> {
    allocator::start_counting();
    zygote::serve(engine, modules)
}
