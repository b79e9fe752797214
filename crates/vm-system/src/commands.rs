//! The commands: one file for each group. A command sends its requests to the daemon and prints the
//! answers.

pub(crate) mod exec;
pub(crate) mod guide;
pub(crate) mod libs;
pub(crate) mod ops;
mod private_daemon;
pub(crate) mod repl;
pub(crate) mod run;
mod script_output;
pub(crate) mod serve;
pub(crate) mod session;
mod signals;
pub(crate) mod template;
mod template_parts;
pub(crate) mod worker;
