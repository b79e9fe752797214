//! The worktree as the module `fs` of a session sees it: within what the template's capabilities give.
//!
//! A path is checked as it was given and once more with its links resolved, and what is done then is done to the resolved
//! path, from folder to folder without following a link: neither a link that is there nor one that is put there during
//! the call reaches around a pattern.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};

use super::{FileAccess, FileError, FileStat, Worktree, WriteAllowance};
use crate::file_id::FileId;
use crate::{FsGrant, FsRefusal};

/// The largest file that is copied, in bytes.
const MAX_COPY_BYTES: u64 = 1024 * 1024 * 1024;

/// How much of a file is read before it is handed over, in bytes.
const READ_STEP_BYTES: usize = 256 * 1024;

/// How much is written before somebody may say that it is enough, in bytes.
const WRITE_STEP_BYTES: usize = 4 * 1024 * 1024;

/// How much of a file is copied before somebody may say that it is enough, in bytes.
const COPY_STEP_BYTES: u64 = 16 * 1024 * 1024;

/// The files that a session reaches.
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
    /// What is there stays, and the new comes after it.
    pub append: bool,
    /// The file must not be there yet.
    pub exclusive: bool,
}

/// Where a path leads.
pub(super) struct Place {
    /// The path as it was given, below the worktree.
    pub(super) given: PathBuf,
    /// The path with links resolved; empty for the worktree itself.
    pub(super) real: PathBuf,
    /// The folder that it is in.
    pub(super) parent: Dir,
    /// Its name there; `.` for the worktree itself.
    pub(super) name: OsString,
    /// Whether it is a link to be followed that leads to nothing.
    pub(super) is_dangling: bool,
}

impl Place {
    /// What lies there, if something does. A link is not followed.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.parent.symlink_metadata(&self.name)
    }

    pub(super) fn is_root(&self) -> bool {
        self.real.as_os_str().is_empty()
    }

    /// Opens what lies there to be read. The caller still has to see that it is a file.
    pub(super) fn open_to_read(&self) -> io::Result<File> {
        if self.is_dangling {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.open(OpenOptions::new().read(true))
    }

    fn open(&self, options: &mut OpenOptions) -> io::Result<File> {
        // A FIFO must not make the service wait for a writer.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        self.parent.open_with(&self.name, options)
    }
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

    /// The worktree itself as a place.
    pub(super) fn root(&self, given: PathBuf) -> Result<Place, FileError> {
        Ok(Place {
            given,
            real: PathBuf::new(),
            parent: self.dir().try_clone()?,
            name: ".".into(),
            is_dangling: false,
        })
    }

    /// Opens a folder below the worktree by a path without links.
    pub(super) fn descend(&self, folder: &Path) -> io::Result<Dir> {
        let mut dir = self.dir().try_clone()?;
        for component in folder.components() {
            if let Component::Normal(name) = component {
                dir = open_folder(&dir, name)?;
            }
        }
        Ok(dir)
    }
}

/// Opens a folder that is no link.
pub(super) fn open_folder(dir: &Dir, name: &OsStr) -> io::Result<Dir> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let folder = dir.open_with(name, &options)?;
    Ok(Dir::from_std_file(folder.into_std()))
}

impl<'a> Scoped<'a> {
    /// The same, until `stop` says that it is enough: what goes on then ends at its next step.
    pub fn until(self, stop: &'a AtomicBool) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// The same, with no more written than an execution may.
    pub fn within(self, allowance: &'a WriteAllowance) -> Self {
        Self {
            allowance: Some(allowance),
            ..self
        }
    }

    /// Fails when it is enough.
    ///
    /// # Errors
    /// Of the kind `Interrupted`.
    pub fn go_on(&self) -> io::Result<()> {
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

    /// Where a path leads when a link at its end is followed, if that is allowed. A link that leads to nothing is not
    /// followed.
    pub(super) fn follow(&self, access: FileAccess, path: &str) -> Result<Place, FileError> {
        let given = self.tree.relative(path)?;
        self.check_path(access, &given)?;
        let place = self.tree.place_of_target(given)?;
        self.check_path(access, &place.real)?;
        Ok(place)
    }

    /// Where a path leads when a link at its end is meant itself, if that is allowed.
    pub(super) fn name(&self, access: FileAccess, path: &str) -> Result<Place, FileError> {
        let given = self.tree.relative(path)?;
        self.check_path(access, &given)?;
        let place = self.tree.place_of_name(given)?;
        self.check_path(access, &place.real)?;
        Ok(place)
    }

    /// Checks that the capabilities allow it.
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

    /// Reads a regular file of at most `max_bytes`, and hands it over in steps, until one is not taken.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
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
        // It may grow while it is read.
        let mut file = file.take(max_bytes + 1);
        let mut buffer = vec![0; READ_STEP_BYTES];
        let mut total = 0;
        loop {
            self.go_on()?;
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
        let place = self.follow(FileAccess::Read, path)?;
        self.tree.check_guard(&place)?;
        let file = place.open_to_read()?;
        check_regular(&file)?;
        Ok(file)
    }

    /// Writes a regular file, or makes it.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn write(&self, path: &str, bytes: &[u8], mode: WriteMode) -> Result<(), FileError> {
        let mut file = self.open_to_write(path, mode, None, bytes.len() as u64)?;
        if !mode.append {
            file.set_len(0)?;
        }
        for step in bytes.chunks(WRITE_STEP_BYTES) {
            self.go_on()?;
            file.write_all(step)?;
        }
        Ok(())
    }

    /// Takes what is about to be written to a file, or to what is made in a folder.
    fn take(&self, at: impl AsFd, bytes: u64) -> Result<(), FileError> {
        match self.allowance {
            Some(allowance) => allowance.take(at, bytes),
            None => Ok(()),
        }
    }

    /// A file that is there is not cut short yet: only once it is known to be a regular one. Nothing is made if `bytes` may not be
    /// written.
    fn open_to_write(
        &self,
        path: &str,
        mode: WriteMode,
        permissions: Option<u32>,
        bytes: u64,
    ) -> Result<File, FileError> {
        let place = self.follow(FileAccess::Write, path)?;
        if place.is_root() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        self.tree.check_guard(&place)?;
        self.take(&place.parent, bytes)?;
        let mut options = OpenOptions::new();
        options
            .write(true)
            .append(mode.append)
            .create(true)
            .create_new(mode.exclusive);
        if let Some(permissions) = permissions {
            options.mode(permissions & 0o777);
        }
        let file = place.open(&mut options)?;
        check_regular(&file)?;
        Ok(file)
    }

    /// Copies a regular file onto another or to a new name.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
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
        let there = target.metadata()?;
        if FileId::from(&there) == FileId::from(&metadata) {
            return Ok(());
        }
        target.set_len(0)?;
        // What the file grows by meanwhile was not asked for.
        let mut left = metadata.len();
        while left > 0 {
            self.go_on()?;
            let copied = io::copy(&mut (&source).take(left.min(COPY_STEP_BYTES)), &mut target)?;
            if copied == 0 {
                break;
            }
            left -= copied;
        }
        Ok(())
    }

    /// Whether something is there, as far as the session may know.
    pub fn exists(&self, path: &str) -> bool {
        self.stat(path, true).is_ok()
    }

    /// What a file looks like.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn stat(&self, path: &str, follow: bool) -> Result<FileStat, FileError> {
        let place = if follow {
            self.follow(FileAccess::See, path)
        } else {
            self.name(FileAccess::See, path)
        }?;
        if place.is_dangling {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        Ok(FileStat::from(&place.metadata()?))
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
