//! The store of vm-system in an SQLite database: the implementation of [`vmcontrol::store::Store`].
//!
//! This is the only crate that knows how the service keeps its data. [`SqliteStore`] is the open
//! store; [`check_file`] searches a file for damage without a daemon; [`import()`] imports a
//! database of the Go service, of which this program is the successor.
//!
//! # Threads and files
//!
//! - One thread owns the only connection that writes (`writer.rs`). It takes the queued writes,
//!   runs them in one transaction with a savepoint for each, commits with `synchronous=FULL`, and
//!   answers only then: an answered write is on disk, and many writes share one sync.
//! - One thread checkpoints the WAL (`wal.rs`), off the path of the commits. The WAL's file is made
//!   longer ahead of them.
//! - Four read-only connections serve queries on tokio's blocking threads (`reader.rs`). A copy or
//!   a check, which takes long, has a connection of its own.
//! - `identity.rs`, `lock.rs`, `schema.rs` and `files.rs` make sure whose database a file is, that
//!   one daemon has it, that its schema is up to date, and that its files are still those that were
//!   opened. `open.rs` opens the connections (`connection.rs`) with these checks.
//! - A file for each resource has its SQL (`template.rs`, `session.rs`, `execution.rs`, `event.rs`,
//!   `id.rs`, `retention.rs`), in functions on a connection; `record.rs` and `listing.rs` decode
//!   rows. `port.rs` hands each operation of the port to one of the threads.
//!
//! Times are stored as whole microseconds since the Unix epoch, ids as text.

mod check;
mod connection;
mod error;
mod event;
mod execution;
mod failpoint;
mod files;
mod id;
mod identity;
mod import;
mod listing;
mod lock;
mod open;
mod port;
mod read_only;
mod reader;
mod record;
mod retention;
mod schema;
mod session;
mod space;
mod store;
mod template;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

pub use check::check_file;
pub use error::{LockError, OpenError};
pub use import::{ImportError, ImportReport, import};
pub use store::SqliteStore;
