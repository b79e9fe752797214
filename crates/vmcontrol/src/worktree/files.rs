//! Files that the service itself reads and writes for a session: no capability narrows them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::fs::{OpenOptions, OpenOptionsExt};

use super::{FileError, Worktree};
use crate::Error;

impl Worktree {
    /// Reads a regular file of at most `max_bytes`.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let below = self.relative(path)?;
        self.check_guard(&below)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let file = self.dir.open_with(&below, &options)?;
        if !file.metadata()?.is_file() {
            return Err(FileError::NotAFile);
        }
        let mut bytes = Vec::new();
        file.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(FileError::TooLarge(max_bytes));
        }
        Ok(bytes)
    }

    /// The absolute path of a file that may not exist yet, with every link on the way to it resolved below the
    /// worktree: for libraries that take nothing but a path.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn real_path(&self, below: &Path) -> Result<PathBuf, FileError> {
        let name = below
            .file_name()
            .ok_or_else(|| FileError::Outside("it names no file".into()))?;
        let below = self.real_folder(below)?.join(name);
        self.check_guard(&below)?;
        Ok(self.path.join(below))
    }

    /// Reads a script: as [`read`](Self::read), with what is not valid UTF-8 replaced.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::InvalidPath`] or [`Error::FileTooLarge`].
    pub fn read_script(&self, path: &str, max_bytes: u64) -> Result<String, Error> {
        let invalid = |reason: String| Error::InvalidPath {
            path: path.to_owned(),
            reason,
        };
        match self.read(path, max_bytes) {
            Ok(bytes) => Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
            Err(
                error @ (FileError::Outside(_)
                | FileError::NotAFile
                | FileError::TooMany(_)
                | FileError::Root
                | FileError::Refused { .. }),
            ) => Err(invalid(error.to_string())),
            Err(FileError::TooLarge(limit_bytes)) => Err(Error::FileTooLarge {
                path: path.to_owned(),
                limit_bytes,
            }),
            Err(FileError::Io(error)) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    Err(Error::FileNotFound {
                        path: path.to_owned(),
                    })
                }
                _ => Err(invalid(error.to_string())),
            },
        }
    }
}
