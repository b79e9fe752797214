use std::fs::File;
use std::io;
use std::path::Path;

use super::integrity::integrity_of_all;
use super::{LibraryCache, LibraryError};

/// Whether a library is what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryState {
    /// It is what the lock file says.
    Ok,
    /// The lock file names it, and it is not there.
    Missing,
    /// It is not what the lock file says.
    Damaged {
        /// The checksum in the lock file.
        expected: String,
        /// The checksum of the file.
        actual: String,
    },
    /// It is there, and the lock file does not name it.
    NotLocked,
}

/// A library of the lock file or of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLibrary {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: LibraryState,
    /// The size of its file, if it is there.
    pub size_bytes: Option<u64>,
}

impl LibraryCache {
    /// Checks every library of the lock file and of the cache, by name.
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

/// The checksum and the size of a file, if it is there.
fn hash(path: &Path) -> io::Result<Option<(String, u64)>> {
    match File::open(path) {
        Ok(file) => integrity_of_all(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
