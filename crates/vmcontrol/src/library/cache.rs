//! The directory of libraries: what is in it, and how it is written.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::lock::CacheLock;
use super::memory::Memory;
use super::{LOCK_FILE, LibraryError, LockFile, LockedLibrary};
use crate::catalog::is_library_name;

/// The file name extension of libraries in the cache.
const EXTENSION: &str = "js";

/// The file that a process locks to change the cache. It is never removed: a process that waits for
/// its lock and one that opens it later must have the same file.
const GUARD_FILE: &str = ".lock";

/// A directory of libraries, and those of its files that are kept in memory.
#[derive(Debug)]
pub struct LibraryCache {
    dir: PathBuf,
    pub(super) memory: Memory,
}

/// A library in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Its name: that of the file, without the extension.
    pub name: String,
    /// The size of the file, in bytes.
    pub size_bytes: u64,
}

impl LibraryCache {
    /// The cache in a directory, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            memory: Memory::default(),
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The libraries in the cache, by name. Without a directory the list is empty.
    ///
    /// # Errors
    /// [`LibraryError::Io`] when the directory can't be read.
    pub fn files(&self) -> Result<Vec<CachedFile>, LibraryError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unreadable(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| self.unreadable(error))?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            let is_script = path.extension().is_some_and(|found| found == EXTENSION);
            if let (Some(name), true, Some(size_bytes)) = (name, is_script, file_size(&path)?) {
                files.push(CachedFile {
                    name: name.to_owned(),
                    size_bytes,
                });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The lock file; an empty one when it does not exist.
    ///
    /// # Errors
    /// [`LibraryError::LockFile`] when it can't be parsed, [`LibraryError::Io`] when it can't be
    /// read.
    pub fn lock(&self) -> Result<LockFile, LibraryError> {
        LockFile::read(&self.lock_path())
    }

    /// Writes a library into the cache and its entry into the lock file. Several processes may do
    /// that at once: each file is whole at any time, and no entry is lost.
    ///
    /// # Errors
    /// [`LibraryError::Name`]; [`LibraryError::LockFile`] when the lock file can't be parsed;
    /// [`LibraryError::Io`] when the directory can't be made or written to.
    pub fn store(
        &self,
        name: &str,
        code: &[u8],
        locked: LockedLibrary,
    ) -> Result<(), LibraryError> {
        let path = self.path_of(name)?;
        self.make()?;
        let _guard = CacheLock::exclusive(&self.guard_path())?;
        let mut lock = self.lock()?;
        self.replace(&path, code)?;
        if lock.libraries.get(name) == Some(&locked) {
            return Ok(());
        }
        lock.libraries.insert(name.to_owned(), locked);
        let lock_path = self.lock_path();
        let text = lock
            .to_text()
            .map_err(LibraryError::io("write", &lock_path))?;
        self.replace(&lock_path, &text)
    }

    /// Makes the directory if it does not exist.
    ///
    /// # Errors
    /// [`LibraryError::Io`].
    pub fn make(&self) -> Result<(), LibraryError> {
        fs::create_dir_all(&self.dir).map_err(LibraryError::io("make", &self.dir))
    }

    /// The path of the file of a library, which need not exist.
    ///
    /// # Errors
    /// [`LibraryError::Name`], so that no name leads out of the cache.
    pub fn path_of(&self, name: &str) -> Result<PathBuf, LibraryError> {
        if is_library_name(name) {
            Ok(self.dir.join(format!("{name}.{EXTENSION}")))
        } else {
            Err(LibraryError::Name {
                name: name.to_owned(),
            })
        }
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.dir.join(LOCK_FILE)
    }

    pub(super) fn guard_path(&self) -> PathBuf {
        self.dir.join(GUARD_FILE)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), LibraryError> {
        let write = || -> io::Result<()> {
            let mut file = shared_temporary_file(&self.dir)?;
            file.write_all(content)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(LibraryError::io("write", path))
    }

    fn unreadable(&self, error: io::Error) -> LibraryError {
        LibraryError::io("read the library cache", &self.dir)(error)
    }
}

fn file_size(path: &Path) -> Result<Option<u64>, LibraryError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LibraryError::io("look at", path)(error)),
    }
}

/// A temporary file that the umask alone restricts: the daemon may run as another user, who must be
/// able to read it.
fn shared_temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;

    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}
