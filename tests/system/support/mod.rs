//! Helpers that tests of several folders share.

pub mod assertions;
pub mod attempts;
pub mod cli;
pub mod console;
pub mod event_stream;
pub mod executions;
pub mod follower_timeout;
pub mod generated;
