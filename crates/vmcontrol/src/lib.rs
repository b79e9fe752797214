//! What vm-system decides: templates, sessions and executions, the policy of a session, the event log, and the
//! SQLite store behind them.
//!
//! Nothing here knows HTTP, processes or an engine: live runtimes are reached through the ports in [`runtime`],
//! so that another program can embed this crate and a test can drive it with a fake runtime.

mod answers;
mod budget;
pub mod catalog;
mod control;
mod error;
mod event;
mod execution;
mod feed;
mod file_id;
mod grants;
mod idle;
pub mod library;
mod live;
mod looks;
mod memory;
mod metadata;
pub mod names;
mod new_session;
mod policies;
mod policy;
mod recorder;
mod registry;
pub mod runtime;
mod session;
mod settings;
mod source;
mod store;
mod submission;
mod template;
mod template_libraries;
#[cfg(test)]
mod tests;
mod upkeep;
mod worktree;

pub use answers::{Charged, SMALL_ANSWER_BYTES};
pub use budget::{Budget, Exhausted, Lease};
pub use control::{Control, ControlOptions};
pub use error::Error;
pub use event::LiveEvent;
pub use feed::{EventFeed, FeedItem, SessionCursor, SessionFeed, SessionItem};
pub use grants::{ExecGrant, FsGrant, FsRefusal, Grants, NetGrant};
pub use memory::{FREE_BYTES, MemoryBudget, ROOM_TIMEOUT};
pub use policy::Policy;
pub use session::parse_id;
pub use source::MAX_SOURCE_BYTES;
pub use store::{
    ExecutionFilter, ImportError, ImportReport, LockError, OpenError, Page, Portion, SessionFilter,
    Store, StoreError, UnreadableRecord, check_file, import,
};
pub use submission::{FileRun, RunOptions, Submitted};
pub use template::{NameList, NewCapability, NewStartupFile};
pub use upkeep::Retention;
pub use worktree::{
    FileAccess, FileError, FileKind, FileStat, Listing, Scoped, Worktree, WriteAllowance,
    WriteLimits, WriteMode, cleaned,
};

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;
