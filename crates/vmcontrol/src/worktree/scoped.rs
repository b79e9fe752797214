//! The worktree as the module `fs` of a session reaches it: within the template's capabilities.
//!
//! A path is checked as it was given and again with its links resolved. The operation then uses the
//! resolved path, from folder to folder without following a link: neither an existing link nor one
//! that is made during the call reaches around a pattern.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::{File, MetadataExt, OpenOptions, OpenOptionsExt};

use super::allowance::WriteAllowance;
use super::error::{FileAccess, FileError};
use super::resolved::ResolvedPath;
use super::stat::FileStat;
use super::tree::Worktree;
use crate::file_id::FileId;
use crate::{FsGrant, FsRefusal};

/// The largest file that is copied, in bytes.
const MAX_COPY_BYTES: u64 = 1024 * 1024 * 1024;

/// The size of the pieces in which a file is read, in bytes.
const READ_STEP_BYTES: usize = 256 * 1024;

/// The number of bytes that are written between two reads of the stop flag.
const WRITE_STEP_BYTES: usize = 4 * 1024 * 1024;

/// The number of bytes of a file that are copied between two reads of the stop flag.
const COPY_STEP_BYTES: u64 = 16 * 1024 * 1024;

/// The files that a session reaches.
///
/// Every operation checks the capabilities ([`FileError::Refused`]), links that lead outside and
/// guarded files ([`FileError::Outside`]), and ends with an I/O error of the kind `Interrupted`
/// when the stop flag is set.
#[derive(Clone, Copy, Debug)]
pub struct Scoped<'a> {
    pub(super) tree: &'a Worktree,
    pub(super) grant: &'a FsGrant,
    stop: Option<&'a AtomicBool>,
    allowance: Option<&'a WriteAllowance>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteMode {
    /// The bytes go to the end of the file, whose content stays.
    pub append: bool,
    /// The file must not exist yet.
    pub exclusive: bool,
}

impl Worktree {
    /// The files that a session with this grant reaches.
    pub fn scoped<'a>(&'a self, grant: &'a FsGrant) -> Scoped<'a> {
        Scoped {
            tree: self,
            grant,
            stop: None,
            allowance: None,
        }
    }
}

impl<'a> Scoped<'a> {
    /// The same files; an operation ends at its next step once `stop` is set.
    pub fn until(self, stop: &'a AtomicBool) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// The same files; writes are counted against an execution's allowance.
    pub fn within(self, allowance: &'a WriteAllowance) -> Self {
        Self {
            allowance: Some(allowance),
            ..self
        }
    }

    /// Fails when the stop flag is set.
    ///
    /// # Errors
    /// Of the kind `Interrupted`.
    pub fn check_stop(&self) -> io::Result<()> {
        match self.stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl Scoped<'_> {
    /// The absolute path of the worktree.
    pub fn worktree_path(&self) -> &Path {
        self.tree.path()
    }

    /// Resolves a path, following a link at its end, and checks the access to it. A link that leads
    /// to nothing is not followed.
    pub(super) fn follow(&self, access: FileAccess, path: &str) -> Result<ResolvedPath, FileError> {
        let given = self.tree.relative(path)?;
        self.check_path(access, &given)?;
        let resolved = self.tree.resolve_target(given)?;
        self.check_path(access, &resolved.real)?;
        Ok(resolved)
    }

    /// Resolves a path to a directory entry, not following a link at its end, and checks the access
    /// to it.
    pub(super) fn entry(&self, access: FileAccess, path: &str) -> Result<ResolvedPath, FileError> {
        let given = self.tree.relative(path)?;
        self.check_path(access, &given)?;
        let resolved = self.tree.resolve_entry(given)?;
        self.check_path(access, &resolved.real)?;
        Ok(resolved)
    }

    /// Checks that the capabilities allow an access.
    pub(super) fn check_path(&self, access: FileAccess, path: &Path) -> Result<(), FileError> {
        let checked: Result<(), FsRefusal> = match access {
            FileAccess::Read => self.grant.check_read(path),
            FileAccess::Write => self.grant.check_write(path),
            FileAccess::See => self.grant.check_see(path),
        };
        checked.map_err(|why| FileError::Refused {
            access,
            path: path.to_owned(),
            why,
        })
    }

    /// Reads a regular file of at most `max_bytes`, and hands each piece of it to `take`, until
    /// that fails.
    ///
    /// # Errors
    /// See [`FileError`]; the errors of `take`.
    pub fn read_in_steps(
        &self,
        path: &str,
        max_bytes: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let file = self.open_to_read(path)?;
        if file.metadata()?.len() > max_bytes {
            return Err(FileError::TooLarge(max_bytes));
        }
        // The file may grow while it is read.
        let mut file = file.take(max_bytes + 1);
        let mut buffer = vec![0; READ_STEP_BYTES];
        let mut total = 0;
        loop {
            self.check_stop()?;
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            total += length as u64;
            if total > max_bytes {
                return Err(FileError::TooLarge(max_bytes));
            }
            take(&buffer[..length])?;
        }
    }

    fn open_to_read(&self, path: &str) -> Result<File, FileError> {
        let source = self.follow(FileAccess::Read, path)?;
        self.tree.check_guard(&source)?;
        let file = source.open_to_read()?;
        check_regular(&file)?;
        Ok(file)
    }

    /// Writes a regular file. It is made if it does not exist.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn write(&self, path: &str, bytes: &[u8], mode: WriteMode) -> Result<(), FileError> {
        let mut file = self.open_to_write(path, mode, None, bytes.len() as u64)?;
        if !mode.append {
            file.set_len(0)?;
        }
        for step in bytes.chunks(WRITE_STEP_BYTES) {
            self.check_stop()?;
            file.write_all(step)?;
        }
        Ok(())
    }

    /// Counts bytes that are about to be written to a file, or to a new file in a folder.
    fn take(&self, at: impl AsFd, bytes: u64) -> Result<(), FileError> {
        match self.allowance {
            Some(allowance) => allowance.take(at, bytes),
            None => Ok(()),
        }
    }

    /// Opens a regular file, which is made if it does not exist and `bytes` may be written. It is
    /// not truncated: the caller does that, now that it is known to be a regular one.
    fn open_to_write(
        &self,
        path: &str,
        mode: WriteMode,
        permissions: Option<u32>,
        bytes: u64,
    ) -> Result<File, FileError> {
        let target = self.follow(FileAccess::Write, path)?;
        if target.is_root() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        self.tree.check_guard(&target)?;
        self.take(&target.parent, bytes)?;
        let mut options = OpenOptions::new();
        options
            .write(true)
            .append(mode.append)
            .create(true)
            .create_new(mode.exclusive);
        if let Some(permissions) = permissions {
            options.mode(permissions & 0o777);
        }
        let file = target.open(&mut options)?;
        check_regular(&file)?;
        Ok(file)
    }

    /// Copies a regular file of at most 1 GiB onto another or to a new name.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn copy(&self, from: &str, to: &str, exclusive: bool) -> Result<(), FileError> {
        let source = self.open_to_read(from)?;
        let metadata = source.metadata()?;
        if metadata.len() > MAX_COPY_BYTES {
            return Err(FileError::TooLarge(MAX_COPY_BYTES));
        }
        let mode = WriteMode {
            exclusive,
            append: false,
        };
        let mut target = self.open_to_write(to, mode, Some(metadata.mode()), metadata.len())?;
        let existing = target.metadata()?;
        if FileId::from(&existing) == FileId::from(&metadata) {
            return Ok(());
        }
        target.set_len(0)?;
        // What is appended to the file meanwhile is not copied.
        let mut left = metadata.len();
        while left > 0 {
            self.check_stop()?;
            let copied = io::copy(&mut (&source).take(left.min(COPY_STEP_BYTES)), &mut target)?;
            if copied == 0 {
                break;
            }
            left -= copied;
        }
        Ok(())
    }

    /// Whether a path leads to something, as far as the session may know.
    pub fn exists(&self, path: &str) -> bool {
        self.stat(path, true).is_ok()
    }

    /// The metadata of a file. With `follow`, a link at the end of the path is followed.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn stat(&self, path: &str, follow: bool) -> Result<FileStat, FileError> {
        let resolved = if follow {
            self.follow(FileAccess::See, path)
        } else {
            self.entry(FileAccess::See, path)
        }?;
        if resolved.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        Ok(FileStat::from(&resolved.metadata()?))
    }
}

fn check_regular(file: &File) -> Result<(), FileError> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    Ok(())
}
