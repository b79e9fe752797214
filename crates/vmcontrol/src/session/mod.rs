//! Sessions: the live runtimes that are made from templates.

pub(crate) mod query;
pub(crate) mod registry;
pub(crate) mod request;
pub(crate) mod service;
mod startup;
mod unwatched;
