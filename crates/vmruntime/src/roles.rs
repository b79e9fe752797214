//! What a worker process can be: a process of a host module, or a zygote. The first argument says
//! which.
//!
//! This module imports both the workers and the host modules, so that neither of them has to import
//! the other.

use std::ffi::OsString;
use std::io;

use crate::host_modules;
use crate::ipc::ExitCause;
use crate::worker::{self, exit};

/// The main function of a worker: it serves the daemon on descriptor 3 until the daemon closes the
/// channel. `args` are the arguments after the program and the subcommand: the name of an engine,
/// or the name of a host module's process and its arguments.
///
/// It must be called before anything starts a thread, in a process made by
/// [`WorkerRuntime`](crate::WorkerRuntime).
pub fn run_worker(args: impl IntoIterator<Item = OsString>) -> ! {
    let mut args = args.into_iter();
    let first = args.next().unwrap_or_default();
    let first = first.to_string_lossy();
    let served = match host_modules::process(&first) {
        Some(process) => (process.serve)(&mut args),
        None => worker::serve_sessions(&first, host_modules::scripts()),
    };
    match served {
        Ok(()) => exit::now(ExitCause::Done),
        // The daemon has ended.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::now(ExitCause::Done),
        Err(error) => {
            eprintln!("vm-system worker: {error}");
            exit::now(ExitCause::Channel)
        }
    }
}
