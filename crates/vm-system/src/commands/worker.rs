//! The processes that run JavaScript: this binary under a hidden subcommand.

use std::env;
use std::ffi::OsString;

use anyhow::Context;
use vmruntime::WorkerCommand;

use crate::failure::Failure;

/// The subcommand. The argument parser does not know it: a worker starts before anything else does.
const ARGUMENT: &str = "worker";

/// Whether this process was started as a worker.
pub fn is_asked_for() -> bool {
    env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ARGUMENT)
}

/// Is a worker, until the daemon says otherwise. What follows the subcommand is between the daemon and the worker.
pub fn main() -> ! {
    vmruntime::run_worker(env::args_os().skip(2))
}

/// How the daemon starts a worker: with this same binary.
pub fn command() -> Result<WorkerCommand, Failure> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    Ok(WorkerCommand {
        program,
        args: vec![OsString::from(ARGUMENT)],
    })
}
