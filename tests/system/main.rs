//! The system as its users meet it: the real binary, its API, its command line, its processes.

mod api;
mod cli;
mod durability;
mod engine;
mod host_modules;
mod isolation;
mod libraries;
mod load;
mod support;
