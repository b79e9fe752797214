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

use std::ffi::OsString;

use crate::host_modules::{database::process as database, exec::subreaper};
use memory::allocator;

/// The main function of a worker: serves the daemon on descriptor 3 until that is closed. `args` are those after the
/// program and the subcommand: the name of the engine, or what another kind of helper needs.
///
/// It must be called before anything starts a thread, in a process made by [`WorkerRuntime`](crate::WorkerRuntime).
pub fn main(args: impl IntoIterator<Item = OsString>) -> ! {
    let mut args = args.into_iter();
    let first = args.next().unwrap_or_default();
    let served = if first == database::ARGUMENT {
        database::serve(args)
    } else if first == subreaper::ARGUMENT {
        subreaper::serve(args)
    } else {
        allocator::start_counting();
        zygote::serve(&first.to_string_lossy())
    };
    match served {
        Ok(()) => exit::now(exit::DONE),
        // The daemon is gone already.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit::now(exit::DONE),
        Err(error) => {
            eprintln!("vm-system worker: {error}");
            exit::now(exit::CHANNEL)
        }
    }
}
