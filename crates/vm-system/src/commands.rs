//! One file per group of commands: what it asks the daemon for, and how it prints the answer.

mod console;
mod ending;
pub mod exec;
pub mod guide;
pub mod libs;
pub mod ops;
mod private_daemon;
pub mod repl;
pub mod run;
pub mod serve;
pub mod session;
pub mod template;
mod template_parts;
pub mod worker;
