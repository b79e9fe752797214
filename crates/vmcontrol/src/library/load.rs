//! Loading a library: reading it, checking it against the lock file, and keeping it in memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::lock::CacheLock;
use super::memory::Stamp;
use super::{LibraryCache, LibraryError, LoadedLibrary, LockFile, integrity_of};

/// The largest library, in bytes. It may be larger than a script.
pub const MAX_LIBRARY_BYTES: u64 = 64 * 1024 * 1024;

impl LibraryCache {
    /// The code of a library. It is checked against the lock file if that names it, and used as it
    /// is otherwise. It is kept in memory: to load it again takes two `stat` calls.
    ///
    /// # Errors
    /// See [`LibraryError`]; the errors name the file and, where there is one, the remedy.
    pub fn load(&self, name: &str) -> Result<LoadedLibrary, LibraryError> {
        let path = self.path_of(name)?;
        let lock_stamp = Stamp::at(&self.lock_path())?;
        let stamp = Stamp::at(&path)?.ok_or_else(|| missing(name, &path))?;
        if let Some(kept) = self.memory.library(name, stamp, lock_stamp) {
            return Ok(kept);
        }
        match self.read(name, &path) {
            Err(LibraryError::Damaged { .. }) => {
                // Another process may have replaced one of the two files, and the other not yet.
                let _guard = CacheLock::shared(&self.guard_path());
                self.read(name, &path)
            }
            read => read,
        }
    }

    fn read(&self, name: &str, path: &Path) -> Result<LoadedLibrary, LibraryError> {
        let lock_stamp = Stamp::at(&self.lock_path())?;
        let lock = self.lock_file_at(lock_stamp)?;
        let (stamp, code) = read_file(name, path)?;
        let integrity = integrity_of(&code);
        if let Some(expected) = lock.libraries.get(name)
            && expected.integrity != integrity
        {
            return Err(LibraryError::Damaged {
                name: name.to_owned(),
                path: path.to_owned(),
                expected: expected.integrity.clone(),
                actual: integrity,
            });
        }
        let source = String::from_utf8(code).map_err(|_| LibraryError::NotUtf8 {
            path: path.to_owned(),
        })?;
        let library = LoadedLibrary {
            name: name.to_owned(),
            source: source.into(),
            integrity,
        };
        self.memory.keep_library(library.clone(), stamp, lock_stamp);
        Ok(library)
    }

    /// The lock file that had this stamp a moment ago. If it is newer when it is read, it is kept
    /// under the old stamp, which no file has any more, and so read again the next time.
    fn lock_file_at(&self, stamp: Option<Stamp>) -> Result<Arc<LockFile>, LibraryError> {
        if let Some(known) = self.memory.lock_file(stamp) {
            return Ok(known);
        }
        let lock = Arc::new(self.lock()?);
        self.memory.keep_lock_file(stamp, &lock);
        Ok(lock)
    }
}

/// The content of a file, with its stamp from before it was read: if the file changes meanwhile, it
/// never has that stamp again.
fn read_file(name: &str, path: &Path) -> Result<(Stamp, Vec<u8>), LibraryError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(name, path),
        _ => LibraryError::io("read", path)(error),
    })?;
    let metadata = file.metadata().map_err(LibraryError::io("read", path))?;
    let mut code = Vec::new();
    // One byte more than is allowed tells a file that grows while it is read.
    file.take(MAX_LIBRARY_BYTES + 1)
        .read_to_end(&mut code)
        .map_err(LibraryError::io("read", path))?;
    if code.len() as u64 > MAX_LIBRARY_BYTES {
        return Err(LibraryError::TooLarge {
            path: path.to_owned(),
            limit_bytes: MAX_LIBRARY_BYTES,
        });
    }
    Ok((Stamp::from(&metadata), code))
}

fn missing(name: &str, path: &Path) -> LibraryError {
    LibraryError::Missing {
        name: name.to_owned(),
        path: path.to_owned(),
    }
}
