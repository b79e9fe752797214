use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LibraryError;

/// The name of the lock file, beside the libraries.
pub const LOCK_FILE: &str = "libraries.lock.json";

/// The version of the format.
const VERSION: u32 = 1;

/// What each library in the cache has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    version: u32,
    /// The libraries by name.
    pub libraries: BTreeMap<String, LockedLibrary>,
}

/// What one library has to be, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedLibrary {
    /// The checksum of the file in the cache.
    pub integrity: String,
    /// The size of the file in the cache.
    pub size_bytes: u64,
    /// The package, as in `@scope/name`.
    pub package: String,
    /// Its version.
    pub package_version: String,
    /// The file of the package that was taken.
    pub file: String,
    /// The checksum of the package as its registry gave it; left out for a file that came alone.
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
    /// Reads it; nothing is locked when it is not there.
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
        // The version comes first: another one may well have other fields.
        let Version { version } =
            serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        if version != VERSION {
            return Err(unusable(format!(
                "it has version {version}, and only version {VERSION} is known"
            )));
        }
        serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))
    }

    /// The text of the file, for people to compare: an entry's fields on lines of their own, sorted by name.
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
    /// Waits until nobody else changes the cache.
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

    /// Waits until nobody changes the cache. Nothing where there is no such file, or none that may be opened: then
    /// nobody is known to change it.
    pub(super) fn shared(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        file.lock_shared().ok()?;
        Some(Self { _file: file })
    }
}
