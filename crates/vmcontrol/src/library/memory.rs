//! The files of a library cache that were read, kept in memory for as long as they do not change.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LibraryError, LoadedLibrary, LockFile};

/// The largest sum of the source texts that are kept, in bytes.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// Libraries and a lock file, each with the stamps of the files that it was read from.
#[derive(Debug, Default)]
pub(super) struct Memory {
    libraries: Mutex<HashMap<String, Kept>>,
    /// The lock file as it was at its stamp, which is `None` for one that did not exist.
    lock_file: Mutex<Option<(Option<Stamp>, Arc<LockFile>)>>,
}

#[derive(Debug)]
struct Kept {
    library: LoadedLibrary,
    file: Stamp,
    lock_file: Option<Stamp>,
}

/// Changes when a file does: no program can set back the time of the last change of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    dev: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of the regular file at a path; `None` when there is none.
    ///
    /// # Errors
    /// [`LibraryError::Io`].
    pub(super) fn at(path: &Path) -> Result<Option<Self>, LibraryError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then(|| Self::from(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LibraryError::io("look at", path)(error)),
        }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Memory {
    /// A library, if it was read from files with these stamps.
    pub(super) fn library(
        &self,
        name: &str,
        file: Stamp,
        lock_file: Option<Stamp>,
    ) -> Option<LoadedLibrary> {
        let libraries = lock(&self.libraries);
        let kept = libraries.get(name)?;
        let is_current = (kept.file, kept.lock_file) == (file, lock_file);
        is_current.then(|| kept.library.clone())
    }

    /// Keeps a library. If it does not fit beside the others, they go.
    pub(super) fn keep_library(
        &self,
        library: LoadedLibrary,
        file: Stamp,
        lock_file: Option<Stamp>,
    ) {
        let mut libraries = lock(&self.libraries);
        libraries.remove(&library.name);
        let others: usize = libraries
            .values()
            .map(|kept| kept.library.source.len())
            .sum();
        if others + library.source.len() > MAX_KEPT_BYTES {
            libraries.clear();
        }
        let kept = Kept {
            library,
            file,
            lock_file,
        };
        libraries.insert(kept.library.name.clone(), kept);
    }

    /// The lock file, if it was read at this stamp.
    pub(super) fn lock_file(&self, stamp: Option<Stamp>) -> Option<Arc<LockFile>> {
        let kept = lock(&self.lock_file);
        let (known, lock_file) = kept.as_ref()?;
        (*known == stamp).then(|| Arc::clone(lock_file))
    }

    /// Keeps the lock file in place of an older one.
    pub(super) fn keep_lock_file(&self, stamp: Option<Stamp>, lock_file: &Arc<LockFile>) {
        *lock(&self.lock_file) = Some((stamp, Arc::clone(lock_file)));
    }
}

/// Locks a mutex, also after a thread that held it panicked: each change is one assignment, so what
/// it left is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
