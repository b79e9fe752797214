//! The `vm-system` binary: the daemon, its command line, and the worker processes that the daemon starts.

mod app;
mod cli;
mod commands;
mod failure;
mod ids;
mod logging;
mod output;

use std::process::ExitCode;

use crate::commands::worker;

/// Counts what a worker process allocates; in every other process it hands on to the system's allocator.
#[global_allocator]
static ALLOCATOR: vmruntime::worker::CountingAllocator =
    vmruntime::worker::CountingAllocator::new();

fn main() -> ExitCode {
    // Before anything makes a thread or opens a file: a worker forks.
    if worker::is_asked_for() {
        worker::main();
    }
    let status = match cli::Cli::read() {
        Ok(cli) => failure::exit_code(app::run(cli)),
        Err(error) => failure::parser_exit_code(&error),
    };
    output::settle();
    status
}
