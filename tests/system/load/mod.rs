//! Long runs and bounds on memory.

mod client_memory;
mod daemon_memory;
mod session_memory;
mod soak;
