//! Bounds on the memory that the daemon holds for its sessions and its clients.
//!
//! `lease.rs` is a budget of bytes in general, `memory.rs` the one for sessions, `answers.rs` the
//! one for answers to clients.

pub(crate) mod answers;
mod lease;
mod memory;

pub use answers::{Charged, SMALL_ANSWER_BYTES};
pub(crate) use lease::ANSWERS_BYTES;
pub use lease::{Budget, Exhausted, Lease};
pub use memory::{FREE_BYTES, MemoryBudget, ROOM_TIMEOUT};
