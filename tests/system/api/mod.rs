//! The HTTP API, laid out as its URLs are.

mod access;
mod conventions;
pub mod executions;
mod sessions;
mod templates;
