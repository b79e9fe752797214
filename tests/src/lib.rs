//! Helpers of the system tests: the binary, a daemon per test, its API and its processes.
//!
//! Every test has a daemon on a free port, with a database in a temporary directory. Nothing here sleeps for a fixed
//! time: [`wait_for`] waits for a condition, with a generous bound.

mod api;
mod binary;
mod daemon;
mod preload;
mod processes;
mod terminal;
mod wait;

pub use api::{Answer, Api};
pub use binary::{binary, command};
pub use daemon::{ANY_PORT, Daemon, DaemonOptions, Session};
pub use preload::preload_library;
pub use processes::{Process, Role};
pub use terminal::Terminal;
pub use wait::wait_for;
