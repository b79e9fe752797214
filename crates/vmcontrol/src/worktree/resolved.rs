//! A path of the worktree with its links resolved, and the handle of the folder that it is in.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use cap_std::fs::{Dir, File, Metadata, OpenOptions, OpenOptionsExt};

/// Where a path leads.
pub(super) struct ResolvedPath {
    /// The path as it was given, below the worktree.
    pub(super) given: PathBuf,
    /// The path with links resolved; empty for the worktree's own directory.
    pub(super) real: PathBuf,
    /// The folder that it is in.
    pub(super) parent: Dir,
    /// Its name in that folder; `.` for the worktree's own directory.
    pub(super) name: OsString,
    /// Whether it is a link at the end of a path that was to be followed, and leads to nothing.
    pub(super) is_dangling: bool,
}

impl ResolvedPath {
    /// The metadata of what lies there. A link is not followed.
    ///
    /// # Errors
    /// When nothing lies there.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.parent.symlink_metadata(&self.name)
    }

    /// Whether it is the worktree's own directory.
    pub(super) fn is_root(&self) -> bool {
        self.real.as_os_str().is_empty()
    }

    /// Opens what lies there to be read. The caller has to check that it is a regular file.
    ///
    /// # Errors
    /// Of the kind `NotFound` for a dangling link; as the system call.
    pub(super) fn open_to_read(&self) -> io::Result<File> {
        if self.is_dangling {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.open(OpenOptions::new().read(true))
    }

    /// Opens what lies there. A link is not followed.
    ///
    /// # Errors
    /// As the system call.
    pub(super) fn open(&self, options: &mut OpenOptions) -> io::Result<File> {
        // A FIFO must not make the service wait for a writer.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        self.parent.open_with(&self.name, options)
    }
}

/// Opens a folder that is no link, to list it.
///
/// # Errors
/// As the system call.
pub(super) fn open_folder(dir: &Dir, name: &OsStr) -> io::Result<Dir> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let folder = dir.open_with(name, &options)?;
    Ok(Dir::from_std_file(folder.into_std()))
}
