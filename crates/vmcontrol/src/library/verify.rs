//! Checking the libraries of a cache against its lock file.

use std::fs::File;
use std::io;
use std::path::Path;

use super::integrity::integrity_of_all;
use super::{LibraryCache, LibraryError};

/// How the file of a library compares with the lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryState {
    /// The checksum is the one in the lock file.
    Ok,
    /// The lock file has an entry, and the file does not exist.
    Missing,
    /// The checksum is another one.
    Damaged {
        /// The checksum in the lock file.
        expected: String,
        /// The checksum of the file.
        actual: String,
    },
    /// The file exists, and the lock file has no entry.
    NotLocked,
}

/// A library of the lock file or of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLibrary {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: LibraryState,
    /// The size of its file in bytes; `None` when that is missing.
    pub size_bytes: Option<u64>,
}

impl LibraryCache {
    /// Checks every library of the lock file and of the directory; returns them by name.
    ///
    /// # Errors
    /// [`LibraryError::LockFile`] and [`LibraryError::Io`].
    pub fn verify(&self) -> Result<Vec<CheckedLibrary>, LibraryError> {
        let (files, lock) = (self.files()?, self.lock()?);
        let mut checked = Vec::new();
        for (name, locked) in &lock.libraries {
            checked.push(self.check(name, &locked.integrity)?);
        }
        let others = files
            .into_iter()
            .filter(|file| !lock.libraries.contains_key(&file.name));
        checked.extend(others.map(|file| CheckedLibrary {
            name: file.name,
            state: LibraryState::NotLocked,
            size_bytes: Some(file.size_bytes),
        }));
        checked.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(checked)
    }

    /// Checks one library against a checksum.
    ///
    /// # Errors
    /// [`LibraryError::Name`] and [`LibraryError::Io`].
    pub fn check(&self, name: &str, expected: &str) -> Result<CheckedLibrary, LibraryError> {
        let path = self.path_of(name)?;
        let of_file = hash(&path).map_err(LibraryError::io("read", &path))?;
        let (state, size_bytes) = match of_file {
            None => (LibraryState::Missing, None),
            Some((actual, size)) if actual == expected => (LibraryState::Ok, Some(size)),
            Some((actual, size)) => {
                let expected = expected.to_owned();
                (LibraryState::Damaged { expected, actual }, Some(size))
            }
        };
        Ok(CheckedLibrary {
            name: name.to_owned(),
            state,
            size_bytes,
        })
    }
}

/// The checksum and the size in bytes of a file; `None` when it does not exist.
fn hash(path: &Path) -> io::Result<Option<(String, u64)>> {
    match File::open(path) {
        Ok(file) => integrity_of_all(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
