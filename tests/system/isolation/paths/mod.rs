//! Paths that try to lead out of the worktree.

mod cleaning;
mod escapes;
mod generated;
