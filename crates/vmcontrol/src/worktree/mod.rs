//! The worktree: the one directory that a session's files come from.
//!
//! Every access goes through a directory handle. The symbolic links on a path are followed by hand
//! (`resolve.rs`), an absolute one as well if it stays inside. What is opened then is opened by
//! `cap-std`, by one name below a handle (with `openat2` where the kernel has it), without
//! following a link. So no `..`, absolute path or symbolic link leads outside, and nothing that
//! another process swaps during a call does.
//!
//! `tree.rs` holds the handle and the guarded paths, `open.rs` opens it. `files.rs` is what the
//! daemon itself reads; [`Scoped`] (`scoped.rs`, `folders.rs`, `moves.rs`) is what the module `fs`
//! of a session does within its capabilities.

mod allowance;
mod clean;
mod error;
mod files;
mod folders;
mod moves;
mod open;
mod resolve;
mod resolved;
mod scoped;
mod stat;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use allowance::{WriteAllowance, WriteLimits};
pub use clean::cleaned;
pub(crate) use clean::cleaned_below;
pub use error::{FileAccess, FileError};
pub use folders::Listing;
pub(crate) use open::real_or_absolute;
pub use scoped::{Scoped, WriteMode};
pub use stat::{FileKind, FileStat};
pub use tree::Worktree;
