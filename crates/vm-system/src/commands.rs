//! One file per group of commands: what it asks the daemon for, and how it prints the answer.

mod console;
mod ending;
pub(crate) mod exec;
pub(crate) mod guide;
pub(crate) mod libs;
pub(crate) mod ops;
mod private_daemon;
pub(crate) mod repl;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod template;
mod template_parts;
pub(crate) mod worker;
