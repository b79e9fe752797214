//! `/executions`: records, limits, cancellation and event streams.

mod exceptions;
mod limits;
mod records;
mod run_file;
pub mod stream;
