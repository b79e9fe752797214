//! The life cycle of the daemon: it opens the database, recovers the records that an earlier daemon
//! left unfinished, starts a worker, serves requests, and shuts down in order.

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
