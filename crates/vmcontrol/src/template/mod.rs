//! Templates: what the runtimes that are made from them may do.

pub(crate) mod libraries;
pub(crate) mod policy;
pub(crate) mod policy_cache;
pub(crate) mod service;
pub(crate) mod settings;
