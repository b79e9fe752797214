//! `vm-system repl`: the console, at a terminal and with piped input.

pub mod console;
mod typing;
