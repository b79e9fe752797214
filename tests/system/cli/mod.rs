//! The command line, laid out as its commands are.

mod completions;
mod escape_sequences;
mod exec;
mod logging;
pub mod repl;
mod serve;
mod template;
mod usage;
