//! The host module `database`: SQL of scripts, run by a process of its own.

pub(crate) mod client;
pub(crate) mod process;
