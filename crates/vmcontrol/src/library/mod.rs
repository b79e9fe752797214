//! The cache of JavaScript libraries: one file for each, and a lock file that says what each of them has to be.
//!
//! The command line writes it, daemons read it, and both may do so at once. Every file is replaced as a whole, and
//! whoever changes a library and its entry does both under one lock (`flock` on `.lock` in the directory).

mod cache;
mod error;
mod integrity;
mod load;
mod lock;
mod names;
mod verify;

pub use cache::{CachedFile, LibraryCache};
pub use error::LibraryError;
pub use integrity::integrity_of;
pub use load::{LoadedLibrary, MAX_LIBRARY_BYTES};
pub use lock::{LOCK_FILE, LockFile, LockedLibrary};
pub use names::file_name;
pub use verify::{CheckedLibrary, LibraryState};

#[cfg(test)]
mod tests;
