//! The host module `exec` and capabilities of kind `exec`.

mod calls;
mod leftover_processes;
mod programs;
