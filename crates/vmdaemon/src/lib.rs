//! The life of the daemon: open the database, settle what an earlier daemon left, warm a worker up, serve, and stop in
//! order.

mod daemon;
mod error;
mod signals;

pub use daemon::{Daemon, Options, start};
pub use error::{ServeError, StartError};
pub use vmruntime::WorkerCommand;
