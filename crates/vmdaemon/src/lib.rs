//! The life of the daemon: open the database, settle what an earlier daemon left, warm a worker up, serve, and stop in
//! order.

mod daemon;
mod error;
mod listen;
mod memory;
mod signals;
mod token;
mod version;

pub use daemon::{Daemon, Options, start};
pub use error::{ServeError, StartError};
pub use listen::Listen;
pub use token::TokenError;
pub use vmruntime::WorkerCommand;
pub use vmtransport_http::DEFAULT_MAX_BODY_BYTES;
