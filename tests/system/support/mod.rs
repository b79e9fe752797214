//! Helpers that tests of several folders share.

pub mod assertions;
pub mod attempts;
pub mod cli;
pub mod generated;
