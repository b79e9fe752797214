//! `vm-system repl`: the console, at a terminal and with piped input.

mod console;
mod lifetime;
mod piped;
mod typing;
