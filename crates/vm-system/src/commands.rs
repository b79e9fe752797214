//! One file per group of commands: what it asks the daemon for, and how it prints the answer.

pub mod exec;
pub mod libs;
pub mod ops;
pub mod run;
pub mod serve;
pub mod session;
pub mod template;
mod template_parts;
pub mod worker;
