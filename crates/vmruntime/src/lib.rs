//! Live sessions: engines, the worker processes that run them, and the host modules that scripts reach the world by.
//!
//! No JavaScript runs in the daemon. [`WorkerRuntime`] execs this same binary as a zygote, a single-threaded process
//! with a warmed-up engine, which forks a process for each session ([`worker`]). The two sides talk over
//! `protocol`; what a script may do to the world is a request to the `broker` on the daemon's side.

mod broker;
mod clock;
mod database;
mod engine;
mod host;
#[doc(hidden)]
pub mod parts;
mod protocol;
mod supervisor;
pub mod syntax;
pub mod worker;

pub use host::{WorkerCommand, WorkerRuntime};
