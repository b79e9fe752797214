//! Why a file of the worktree could not be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::FsRefusal;

/// Why a file of the worktree could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path does not name something inside the worktree, or names a guarded file.
    #[error("{0}")]
    Outside(String),
    /// The path names a directory, a FIFO, a socket or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file is larger than this many bytes.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// The listing of a folder takes more than this many bytes.
    #[error("the listing takes more than {0} bytes: list the folders in it one by one")]
    ListingTooLarge(usize),
    /// The daemon's memory budget for sessions is exhausted for now.
    #[error("the service holds too much for sessions just now: try again")]
    Busy,
    /// The execution would write more bytes than it may, or more than the disk has to spare.
    #[error("{0}")]
    NoRoom(String),
    /// The operation can't be done to the worktree's own directory.
    #[error("it is the worktree itself")]
    Root,
    /// The capabilities of the template don't allow the access.
    #[error("the template's capabilities don't allow {access} of {}", path.display())]
    Refused {
        /// The access that was asked for.
        access: FileAccess,
        /// The path below the worktree.
        path: PathBuf,
        /// Which capabilities refuse it.
        why: FsRefusal,
    },
    /// A system call failed.
    #[error(transparent)]
    Io(io::Error),
}

impl FileError {
    /// The refusal of a path that leads out of the worktree. It does not say where to: that would
    /// tell the script what is there.
    pub(super) fn leads_outside() -> Self {
        Self::Outside("it leads outside the worktree".into())
    }

    /// The refusal of a guarded file.
    pub(super) fn guarded() -> Self {
        Self::Outside("it is the service's own".into())
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        // cap-std answers an escape with an error of its own, which has no errno.
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            Self::leads_outside()
        } else {
            Self::Io(error)
        }
    }
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// What an operation does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Reads its content.
    Read,
    /// Makes, changes or deletes it.
    Write,
    /// Reads its metadata.
    See,
}

impl fmt::Display for FileAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read | Self::See => "reading",
            Self::Write => "writing",
        })
    }
}
