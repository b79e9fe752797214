//! `/executions`: records, limits, cancellation and event streams.

mod cancel;
mod concurrency;
mod exceptions;
mod limits;
mod records;
mod run_file;
mod stream;
mod submit;
