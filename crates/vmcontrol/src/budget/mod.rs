//! Bounds on the memory that the daemon holds for its sessions and its clients.

pub(crate) mod answers;
mod lease;
mod memory;

pub use answers::{Charged, SMALL_ANSWER_BYTES};
pub(crate) use lease::ANSWERS_BYTES;
pub use lease::{Budget, Exhausted, Lease};
pub use memory::{FREE_BYTES, MemoryBudget, ROOM_TIMEOUT};
