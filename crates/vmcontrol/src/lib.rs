//! The domain of vm-system: templates, sessions and executions, the policy of a session, the event
//! log.
//!
//! Nothing here knows HTTP, processes, an engine or a database. Running sessions are reached
//! through the ports in [`runtime`], storage through the one in [`store`], so that another program
//! can embed this crate and a test can use a fake runtime and a store in memory.
//!
//! [`Control`] is the service. A program that embeds it starts the work at intervals itself:
//! [`close_idle_sessions`] and [`prune_periodically`].

mod background;
mod budget;
pub mod catalog;
mod control;
mod error;
mod execution;
mod file_id;
mod grants;
mod host_module;
mod ids;
pub mod library;
mod metadata;
pub mod names;
pub mod runtime;
mod session;
pub mod store;
mod tasks;
mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod worktree;

pub use background::{Retention, close_idle_sessions, prune_periodically};
pub use budget::{
    Budget, Charged, Exhausted, FREE_BYTES, Lease, MemoryBudget, ROOM_TIMEOUT, SMALL_ANSWER_BYTES,
};
pub use control::{Control, ControlOptions};
pub use error::Error;
pub use execution::failure::failure_payload;
pub use execution::follow::{
    EventFollower, FollowItem, SessionCursor, SessionFollower, SessionItem,
};
pub use execution::request::{FileRun, RunOptions};
pub use execution::shared_event::SharedEvent;
pub use execution::source::MAX_SOURCE_BYTES;
pub use execution::submit::Submitted;
pub use file_id::FileId;
pub use grants::{
    ConfigError, ExecGrant, FsGrant, FsRefusal, Grants, NetGrant, check as check_capability,
};
pub use ids::parse_id;
pub use store::{
    ExecutionFilter, NameList, Page, Portion, SessionFilter, Store, StoreError, UnreadableRecord,
};
pub use template::policy::Policy;
pub use template::service::{NewCapability, NewStartupFile};
pub use template::settings::reset_bad_limits;
pub use worktree::{
    FileAccess, FileError, FileKind, FileStat, Listing, Scoped, Worktree, WriteAllowance,
    WriteLimits, WriteMode, cleaned,
};

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;
