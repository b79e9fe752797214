//! The lock file of a library cache, and the lock that a process takes to change the cache.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LibraryError;

/// The name of the lock file, beside the libraries.
pub const LOCK_FILE: &str = "libraries.lock.json";

/// The version of the file format.
const VERSION: u32 = 1;

/// The libraries that were downloaded, with their checksums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    version: u32,
    /// The libraries by their full names.
    pub libraries: BTreeMap<String, LockedLibrary>,
}

/// The checksum of one library, and the package that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedLibrary {
    /// The checksum of the file in the cache.
    pub integrity: String,
    /// The size of the file in the cache, in bytes.
    pub size_bytes: u64,
    /// The name of the package, as in `@scope/name`.
    pub package: String,
    /// The version of the package.
    pub package_version: String,
    /// The path of the file in the package.
    pub file: String,
    /// The checksum of the package from its registry; `None` for a file that was downloaded alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_integrity: Option<String>,
}

impl Default for LockFile {
    fn default() -> Self {
        Self {
            version: VERSION,
            libraries: BTreeMap::new(),
        }
    }
}

impl LockFile {
    /// Reads the lock file; an empty one when it does not exist.
    pub(super) fn read(path: &Path) -> Result<Self, LibraryError> {
        let unusable = |reason: String| LibraryError::LockFile {
            path: path.to_owned(),
            reason,
        };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(LibraryError::io("read", path)(error)),
        };
        // The version is read first: a file of another version may have other fields.
        let Version { version } =
            serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        if version != VERSION {
            return Err(unusable(format!(
                "it has version {version}, and only version {VERSION} is known"
            )));
        }
        serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))
    }

    /// The text of the file: each field on a line of its own and the entries sorted by name, so
    /// that people can compare two versions.
    pub(super) fn to_text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Holds the lock of a cache until it is dropped.
pub(super) struct CacheLock {
    _file: File,
}

impl CacheLock {
    /// Waits until no other process reads or changes the cache under its lock.
    pub(super) fn exclusive(path: &Path) -> Result<Self, LibraryError> {
        let lock = || -> io::Result<File> {
            let file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            file.lock()?;
            Ok(file)
        };
        let file = lock().map_err(LibraryError::io("lock", path))?;
        Ok(Self { _file: file })
    }

    /// Waits until no process changes the cache. `None` where the file does not exist or may not be
    /// opened: then no process is known to change the cache.
    pub(super) fn shared(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        file.lock_shared().ok()?;
        Some(Self { _file: file })
    }
}
