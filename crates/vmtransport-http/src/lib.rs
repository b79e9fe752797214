//! The HTTP API: routes, what requests must look like, and the one mapping from domain errors to answers.
//!
//! Nothing is decided here. A handler decodes a request, calls [`vmcontrol::Control`] and encodes what that says.

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
