//! Helpers of the system tests: the binary, a daemon per test, its API and its processes.
//!
//! Every test has a daemon on a free port, with a database in a temporary directory. No helper
//! sleeps for a fixed time: [`wait_for`] waits for a condition, with a generous bound.

mod api;
mod binary;
mod daemon;
mod document;
mod preload;
mod processes;
mod session;
mod terminal;
mod wait;

pub use api::{Answer, Api};
pub use binary::{binary, command};
pub use daemon::{ANY_PORT, Daemon, DaemonOptions};
pub use preload::preload_library;
pub use processes::{Process, Role};
pub use session::Session;
pub use terminal::Terminal;
pub use wait::wait_for;
