//! The command line, laid out as its commands are.

mod completions;
mod creation;
mod escape_sequences;
mod exec;
mod json_output;
mod libs;
mod logging;
mod ops;
mod repl;
mod run;
mod serve;
mod session;
mod template;
mod usage;
