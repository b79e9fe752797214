//! What all endpoints have in common: bodies, ids, lists, errors, framing.

mod bodies;
mod body_draining;
mod curl;
mod envelope;
mod framing;
mod generated_bodies;
mod ids;
mod names;
mod pagination;
