//! The HTTP API: its routes, the decoding of requests, and the one mapping from domain errors to
//! answers.
//!
//! This crate makes no decisions of the domain. A handler decodes a request, calls
//! [`vmcontrol::Control`] and encodes its result.

mod bodies;
mod connection_slots;
mod drain;
mod error;
mod extract;
mod guard;
mod heavy;
mod list;
mod middleware;
mod openapi;
mod operation;
mod operations;
mod respond;
mod router;
mod routes;
mod serve;
mod stream;
mod token;
mod watched;
mod write_timeout;

pub use router::{ApiOptions, DEFAULT_MAX_BODY_BYTES, router};
pub use serve::{Listener, serve};
pub use token::Token;
