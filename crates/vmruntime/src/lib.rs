//! Live sessions: engines, the worker processes that run them, and the host modules of scripts.
//!
//! No JavaScript runs in the daemon. [`WorkerRuntime`] execs this same binary as a zygote, a
//! single-threaded process with a warmed-up engine, which forks a process for each session
//! ([`worker`]). The `supervisor` on the daemon's side owns those processes. The two sides exchange
//! messages over `ipc`. Everything that a script does outside its session is a call to the
//! `host_modules` on the daemon's side.

#[doc(hidden)]
pub mod bench_support;
mod clock;
mod engine;
mod host_modules;
mod ipc;
mod roles;
mod supervisor;
pub mod syntax;
pub mod worker;

pub use host_modules::host_modules;
pub use ipc::WorkerCommand;
pub use roles::run_worker;
pub use supervisor::WorkerRuntime;
