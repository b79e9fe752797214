//! The worker side: the processes that run outside the daemon.
//!
//! ```text
//! daemon ── worker (zygote: exec'ed, warmed up, parent of all below)
//!             ├─ session process S1          runs the code; generation 1
//!             ├─ checkpoint of S1            a fork of it, asleep, with the heap of an earlier commit
//!             ├─ session process S2          has run only what the replay log holds: no checkpoint yet
//!             └─ query process               answers one query about S2, and ends
//! ```
//!
//! A session process runs a script, says how it ended, forks a new checkpoint and dismisses the old
//! one: that is the commit. A short deterministic script goes to the replay log instead
//! (`replay.rs`). If the session process dies (a limit, a crash, `kill -9`), its checkpoint is
//! promoted: it becomes the session process of the next generation and makes a checkpoint of its
//! own. The script is rolled back. Checkpoints are forked as siblings (`CLONE_PARENT`), so that the
//! zygote is the parent of every process, reaps each and knows each death. A session that needs no
//! checkpoint yet has none: if its process dies, another is forked from the zygote. A session is a
//! kernel session (`setsid`), too: the process group of a process proves whose it is.
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
use crate::ipc::ExitCause;
use memory::allocator;

/// The main function of a worker: it serves the daemon on descriptor 3 until that is closed. `args`
/// are those after the program and the subcommand: the name of the engine, or the arguments of
/// another kind of helper.
///
/// It must be called before the process starts a thread, in a process that was started by
/// [`WorkerRuntime`](crate::WorkerRuntime).
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
        Ok(()) => exit::now(ExitCause::Done),
        // The daemon is gone already.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit::now(ExitCause::Done),
        Err(error) => {
            eprintln!("vm-system worker: {error}");
            exit::now(ExitCause::Channel)
        }
    }
}
