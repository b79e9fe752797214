//! The store of vm-system in an SQLite database: the implementation of [`vmcontrol::store::Store`].
//!
//! This is the only crate that knows how the service keeps its data. [`SqliteStore`] is the open
//! store; [`check_file`] looks for damage in a file without a daemon; [`import()`] brings a
//! database of the Go service over, of which this program is the successor.
//!
//! # Who does what
//!
//! - One thread owns the only connection that writes (`writer.rs`). It takes what has queued up,
//!   runs it in one transaction with a savepoint for each write, commits with `synchronous=FULL`,
//!   and answers only then: what was answered is on disk, and many writers share one sync.
//! - One thread moves what is committed from the WAL into the database file (`wal.rs`), off the
//!   path of the commits, and the WAL's file is made longer ahead of them.
//! - Four read-only connections serve queries on tokio's blocking threads (`reader.rs`), and one
//!   more, made when it is needed, serves a copy or a check, which take long.
//! - `open.rs`, `lock.rs`, `schema.rs` and `files.rs` make sure whose database it is, that one
//!   daemon has it, that its schema is up to date, and that its files are still those that were
//!   opened.
//! - A file for each resource has its SQL (`template.rs`, `session.rs`, `execution.rs`, `event.rs`,
//!   `id.rs`, `retention.rs`), in functions on a connection; `record.rs` and `listing.rs` decode
//!   rows. `port.rs` hands each operation of the port to one of the threads.
//!
//! Times are stored as whole microseconds since the Unix epoch, ids as text.

mod check;
mod error;
mod event;
mod execution;
mod failpoint;
mod files;
mod id;
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
pub use error::OpenError;
pub use import::{ImportError, ImportReport, import};
pub use lock::LockError;
pub use store::SqliteStore;
