//! Reading files for the daemon itself: capabilities don't narrow it, guarded files stay closed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::fs::{File, Metadata};

use super::error::FileError;
use super::tree::Worktree;
use crate::Error;

impl Worktree {
    /// Reads a regular file of at most `max_bytes`.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let (file, length) = self.open_to_read(path, max_bytes)?;
        read_opened(file, length, max_bytes)
    }

    /// Opens a regular file of at most `max_bytes`; returns it with its length in bytes.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open_to_read(&self, path: &str, max_bytes: u64) -> Result<(File, u64), FileError> {
        let resolved = self.resolve_target(self.relative(path)?)?;
        self.check_guard(&resolved)?;
        let file = resolved.open_to_read()?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile);
        }
        if metadata.len() > max_bytes {
            return Err(FileError::TooLarge(max_bytes));
        }
        Ok((file, metadata.len()))
    }

    /// The metadata of a file; a link at the end of its path is followed.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn metadata(&self, path: &str) -> Result<Metadata, FileError> {
        let resolved = self.resolve_target(self.relative(path)?)?;
        if resolved.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        Ok(resolved.metadata()?)
    }

    /// The absolute path of a file that need not exist yet, with every link below the worktree
    /// resolved: for libraries that take nothing but a path.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn real_path(&self, below: &Path) -> Result<PathBuf, FileError> {
        let resolved = self.resolve_target(below.to_owned())?;
        if resolved.is_root() {
            return Err(FileError::Outside("it names no file".into()));
        }
        self.check_guard(&resolved)?;
        Ok(self.path().join(resolved.real))
    }

    /// The path below the worktree, without links, of a file that exists.
    ///
    /// # Errors
    /// See [`FileError`]; of the kind `NotFound` also for a link that leads to nothing.
    pub(super) fn real_path_below(&self, below: &Path) -> Result<PathBuf, FileError> {
        let resolved = self.resolve_target(below.to_owned())?;
        if resolved.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        resolved.metadata()?;
        Ok(resolved.real)
    }

    /// Reads a script of at most `max_bytes`; returns its clean path, its text and the value of
    /// `room`, which is called with the length of the file before that is read.
    ///
    /// # Errors
    /// As `room`, [`clean_name`](Self::clean_name) and [`read_script`](Self::read_script).
    pub(crate) fn read_named<T>(
        &self,
        path: &str,
        max_bytes: u64,
        room: impl FnOnce(usize) -> Result<T, Error>,
    ) -> Result<(String, String, T), Error> {
        let name = self.clean_name(path)?;
        let (source, room) = self.read_script_with(&name, max_bytes, room)?;
        Ok((name, source, room))
    }

    /// Reads a script as [`read`](Self::read) does. Bytes that are not valid UTF-8 are replaced.
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

/// Reads an open file of about this length, which may have grown since.
fn read_opened(file: File, length: u64, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    // A vector that grows takes up to twice the memory.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(FileError::TooLarge(max_bytes));
    }
    Ok(bytes)
}

/// The error of a script whose file can't be read.
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
