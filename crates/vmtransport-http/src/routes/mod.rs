//! The handlers, by resource.

pub(crate) mod execution;
pub(crate) mod maintenance;
pub(crate) mod metadata;
pub(crate) mod runtime;
pub(crate) mod session;
pub(crate) mod template;
