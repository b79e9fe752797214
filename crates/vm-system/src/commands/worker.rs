//! The worker processes that run JavaScript: this binary with a hidden subcommand.

use std::env;
use std::ffi::OsString;

use anyhow::Context;
use vmruntime::WorkerCommand;

use crate::failure::Failure;

/// The hidden subcommand. The argument parser does not know it, because a worker starts before the
/// arguments are parsed.
const ARGUMENT: &str = "worker";

/// Whether this process was started as a worker.
pub(crate) fn is_worker_process() -> bool {
    env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ARGUMENT)
}

/// Runs as a worker until the daemon ends it. The arguments after the subcommand are an internal
/// agreement between the daemon and the worker.
pub(crate) fn main() -> ! {
    vmruntime::run_worker(env::args_os().skip(2))
}

/// The command with which the daemon starts a worker: this binary with the hidden subcommand.
pub(crate) fn command() -> Result<WorkerCommand, Failure> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    Ok(WorkerCommand {
        program,
        args: vec![OsString::from(ARGUMENT)],
    })
}
