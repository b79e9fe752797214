//! `/sessions`: records, startup, queries, event streams and follower timeouts.

mod follower_timeout;
mod queries;
mod records;
mod startup;
mod stream;
mod worktree_permissions;
