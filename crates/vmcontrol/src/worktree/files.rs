//! Files that the service itself reads and writes for a session: no capability narrows them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::fs::{File, Metadata};

use super::{FileError, Worktree};
use crate::Error;
use crate::execution::source::MAX_SOURCE_BYTES;

impl Worktree {
    /// Reads a regular file of at most `max_bytes`.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let (file, length) = self.open_to_read(path, max_bytes)?;
        read_opened(file, length, max_bytes)
    }

    /// Opens a regular file of at most `max_bytes`, and says how long it is.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn open_to_read(&self, path: &str, max_bytes: u64) -> Result<(File, u64), FileError> {
        let place = self.place_of_target(self.relative(path)?)?;
        self.check_guard(&place)?;
        let file = place.open_to_read()?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        if metadata.len() > max_bytes {
            return Err(FileError::TooLarge(max_bytes));
        }
        Ok((file, metadata.len()))
    }

    /// What the system says of a file, wherever a link at the end of its path leads.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn metadata(&self, path: &str) -> Result<Metadata, FileError> {
        let place = self.place_of_target(self.relative(path)?)?;
        if place.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        Ok(place.metadata()?)
    }

    /// The absolute path of a file that may not exist yet, with every link of it resolved below the worktree: for libraries
    /// that take nothing but a path.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn real_path(&self, below: &Path) -> Result<PathBuf, FileError> {
        let place = self.place_of_target(below.to_owned())?;
        if place.is_root() {
            return Err(FileError::Outside("it names no file".into()));
        }
        self.check_guard(&place)?;
        Ok(self.path.join(place.real))
    }

    /// The path below the worktree without links of something that is there.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say; of the kind `NotFound` for a link that leads to nothing.
    pub(super) fn real_path_below(&self, below: &Path) -> Result<PathBuf, FileError> {
        let place = self.place_of_target(below.to_owned())?;
        if place.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        place.metadata()?;
        Ok(place.real)
    }

    /// The clean name of a script that is to be run, its text, and the room for that, which `room` gives for so many bytes before it
    /// is read.
    ///
    /// # Errors
    /// As `room`, [`clean_name`](Self::clean_name) and [`read_script`](Self::read_script).
    pub(crate) fn read_named<T>(
        &self,
        path: &str,
        room: impl FnOnce(usize) -> Result<T, Error>,
    ) -> Result<(String, String, T), Error> {
        let name = self.clean_name(path)?;
        let (source, room) = self.read_script_with(&name, MAX_SOURCE_BYTES, room)?;
        Ok((name, source, room))
    }

    /// Reads a script: as [`read`](Self::read), with what is not valid UTF-8 replaced.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::InvalidPath`] or [`Error::FileTooLarge`].
    pub fn read_script(&self, path: &str, max_bytes: u64) -> Result<String, Error> {
        let (source, ()) = self.read_script_with(path, max_bytes, |_| Ok(()))?;
        Ok(source)
    }

    fn read_script_with<T>(
        &self,
        path: &str,
        max_bytes: u64,
        room: impl FnOnce(usize) -> Result<T, Error>,
    ) -> Result<(String, T), Error> {
        let failed = |error| script_error(path, error);
        let (file, length) = self.open_to_read(path, max_bytes).map_err(failed)?;
        let room = room(usize::try_from(length).unwrap_or(usize::MAX))?;
        let bytes = read_opened(file, length, max_bytes).map_err(failed)?;
        let source = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok((source, room))
    }
}

/// Reads an open file of about that length, which may have grown since.
fn read_opened(file: File, length: u64, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    // Growing would take twice as much.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(FileError::TooLarge(max_bytes));
    }
    Ok(bytes)
}

/// What it means for a script that its file can't be read.
fn script_error(path: &str, error: FileError) -> Error {
    let invalid = |reason: String| Error::InvalidPath {
        path: path.to_owned(),
        reason,
    };
    match error {
        FileError::TooLarge(limit_bytes) => Error::FileTooLarge {
            path: path.to_owned(),
            limit_bytes,
        },
        FileError::Io(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::FileNotFound {
                path: path.to_owned(),
            },
            _ => invalid(error.to_string()),
        },
        FileError::Outside(_)
        | FileError::NotAFile
        | FileError::ListingTooLarge(_)
        | FileError::Busy
        | FileError::NoRoom(_)
        | FileError::Root
        | FileError::Refused { .. } => invalid(error.to_string()),
    }
}
