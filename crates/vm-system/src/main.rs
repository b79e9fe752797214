//! The `vm-system` binary: the daemon, its command line, and the worker processes that the daemon
//! starts.

mod app;
mod cli;
mod commands;
mod failure;
mod ids;
mod logging;
mod output;
mod screen;

use std::process::ExitCode;

use crate::commands::worker;

/// Counts the allocations of a worker process; in every other process it only calls the system's
/// allocator.
#[global_allocator]
static ALLOCATOR: vmruntime::worker::CountingAllocator =
    vmruntime::worker::CountingAllocator::new();

fn main() -> ExitCode {
    // A worker forks, so it must start before this process has a second thread or an open file.
    if worker::is_worker_process() {
        worker::main();
    }
    let status = match cli::Cli::read() {
        Ok(cli) => failure::exit_code(app::run(cli)),
        Err(error) => failure::parser_exit_code(&error),
    };
    screen::reset_colours();
    status
}
