//! Work that the daemon starts at intervals, beside the requests of its clients.

pub(crate) mod idle;
pub(crate) mod maintenance;
