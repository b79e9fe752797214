//! The HTTP API, laid out as its URLs are.

mod access;
mod conventions;
mod executions;
mod metadata;
mod openapi;
mod runtime;
mod sessions;
mod templates;
