//! Helpers that tests of several folders share.

pub(crate) mod assertions;
pub(crate) mod attempts;
pub(crate) mod cli;
pub(crate) mod console;
pub(crate) mod event_stream;
pub(crate) mod executions;
pub(crate) mod follower_timeout;
pub(crate) mod generated;
