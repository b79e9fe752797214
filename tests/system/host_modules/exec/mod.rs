//! The host module `exec` and capabilities of kind `exec`.

mod leftover_processes;
mod programs;
