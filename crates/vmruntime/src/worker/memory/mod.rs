//! The memory of a worker process: how it is counted and limited, and what keeps forks cheap.

pub(super) mod allocator;
pub(super) mod faults;
pub(super) mod heap;
pub(super) mod image;
pub(super) mod page_size;
pub(super) mod stack;
