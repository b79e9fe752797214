use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lock::CacheLock;
use super::{LibraryCache, LibraryError, LockFile, integrity_of};

/// A library can be larger than a script of one's own.
pub const MAX_LIBRARY_BYTES: u64 = 64 * 1024 * 1024;

/// How much is kept in memory of what was loaded.
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// A library as it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedLibrary {
    /// Its name.
    pub name: String,
    /// Its code.
    pub source: Arc<str>,
    /// The checksum of its file.
    pub integrity: String,
}

/// The words without which a text is neither a `CommonJS` nor an ES module.
const WORDS_OF_MODULES: [&str; 4] = ["module", "exports", "import", "export"];

impl LoadedLibrary {
    /// Whether it has to be looked at more closely before anybody relies on it: it may be a module, that defines no global. Only
    /// a process that may parse it can tell.
    pub fn may_be_module(&self) -> bool {
        WORDS_OF_MODULES
            .iter()
            .any(|word| self.source.contains(word))
    }
}

/// What was loaded, with what says whether it is still that.
#[derive(Debug, Default)]
pub(super) struct Memory {
    libraries: Mutex<HashMap<String, Kept>>,
    lock_file: Mutex<Option<(Option<Stamp>, Arc<LockFile>)>>,
}

#[derive(Debug)]
struct Kept {
    library: LoadedLibrary,
    file: Stamp,
    lock_file: Option<Stamp>,
}

/// Changes when a file does. The time of the last change of the inode is what nobody can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    dev: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
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

impl LibraryCache {
    /// A library to be run: checked against the lock file if that names it, and taken as it is otherwise. What was loaded
    /// is kept in memory, so that loading it again costs no more than two looks at the file system.
    ///
    /// # Errors
    /// See [`LibraryError`]; the errors name the file and, where there is one, the remedy.
    pub fn load(&self, name: &str) -> Result<LoadedLibrary, LibraryError> {
        let path = self.path_of(name)?;
        let lock_stamp = stamp_of(&self.lock_path())?;
        let stamp = stamp_of(&path)?.ok_or_else(|| missing(name, &path))?;
        if let Some(kept) = locked(&self.memory.libraries).get(name)
            && (kept.file, kept.lock_file) == (stamp, lock_stamp)
        {
            return Ok(kept.library.clone());
        }
        match self.read(name, &path) {
            Err(LibraryError::Damaged { .. }) => {
                // Or the one of the two files has just been replaced, and the other not yet.
                let _guard = CacheLock::shared(&self.guard_path());
                self.read(name, &path)
            }
            read => read,
        }
    }

    fn read(&self, name: &str, path: &Path) -> Result<LoadedLibrary, LibraryError> {
        let lock_stamp = stamp_of(&self.lock_path())?;
        let lock = self.lock_at(lock_stamp)?;
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
        self.memory.keep(Kept {
            library: library.clone(),
            file: stamp,
            lock_file: lock_stamp,
        });
        Ok(library)
    }

    /// The lock file, which was like this when it was looked at. One that is newer when it is read is kept under the old
    /// stamp, which no file has any more.
    fn lock_at(&self, stamp: Option<Stamp>) -> Result<Arc<LockFile>, LibraryError> {
        if let Some((known, lock)) = &*locked(&self.memory.lock_file)
            && *known == stamp
        {
            return Ok(Arc::clone(lock));
        }
        let lock = Arc::new(self.lock()?);
        *locked(&self.memory.lock_file) = Some((stamp, Arc::clone(&lock)));
        Ok(lock)
    }
}

impl Memory {
    fn keep(&self, kept: Kept) {
        let mut libraries = locked(&self.libraries);
        libraries.remove(&kept.library.name);
        let size = |kept: &Kept| kept.library.source.len();
        if libraries.values().map(size).sum::<usize>() + size(&kept) > MAX_KEPT_BYTES {
            libraries.clear();
        }
        libraries.insert(kept.library.name.clone(), kept);
    }
}

/// The content of a file, with what it looked like before it was read: if it changes meanwhile, it won't look like that
/// again.
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

fn stamp_of(path: &Path) -> Result<Option<Stamp>, LibraryError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then(|| Stamp::from(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LibraryError::io("look at", path)(error)),
    }
}

/// What a thread that panicked left behind is whole: each change is one assignment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
