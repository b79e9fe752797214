//! The cache of JavaScript libraries: one file for each library, and a lock file with their
//! checksums.
//!
//! The command line writes it, daemons read it, and both may do so at once. Every file is replaced
//! as a whole. A process that changes a library and its entry in the lock file does both under one
//! lock (`flock` on `.lock` in the directory).

mod cache;
mod error;
mod integrity;
mod load;
mod loaded;
mod lock;
mod memory;
mod names;
mod verify;

pub use cache::{CachedFile, LibraryCache};
pub use error::LibraryError;
pub use integrity::integrity_of;
pub use load::MAX_LIBRARY_BYTES;
pub use loaded::LoadedLibrary;
pub use lock::{LOCK_FILE, LockFile, LockedLibrary};
pub use names::file_name;
pub use verify::{CheckedLibrary, LibraryState};

#[cfg(test)]
mod tests;
