//! Work at intervals, beside the requests of clients. The daemon starts it; a service without it
//! works.

mod idle;
mod maintenance;

pub use idle::close_idle_sessions;
pub use maintenance::{Retention, prune_periodically};
