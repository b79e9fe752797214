//! The lock that gives a database to one daemon.
//!
//! The lock is an advisory whole-file lock (`flock`) on the database file itself, held by a
//! descriptor of its own. It leaves no file behind, the kernel releases it when the process ends in
//! any way, and it does not conflict with the byte-range locks that SQLite takes. The descriptor
//! must stay open until SQLite has closed its own: closing any descriptor of the file would drop
//! SQLite's locks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{LockError, OpenError};

/// The lock of a database, released when it is dropped.
pub(crate) struct DatabaseLock {
    file: File,
}

impl DatabaseLock {
    /// Opens the file and locks it. A missing file is created, with access for its owner alone.
    pub(crate) fn acquire(path: &Path) -> Result<Self, OpenError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| open_error(path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                path: path.to_owned(),
                holder: holder(&file),
            }
            .into()),
            Err(TryLockError::Error(source)) => Err(LockError::Failed {
                path: path.to_owned(),
                source,
            }
            .into()),
        }
    }

    /// The locked file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

fn open_error(path: &Path, source: io::Error) -> OpenError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => OpenError::NoDirectory { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { path }
        }
        _ => OpenError::Io { path, source },
    }
}

/// How often the list of locks is read. The kernel gives the list in pieces, and a lock may be
/// missed when others are taken or released meanwhile.
const READS: usize = 10;

/// The process that holds a `flock` on the file, from `/proc/locks`; `None` if it is not found
/// there.
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    (0..READS).find_map(|_| holder_of(&inode))
}

fn holder_of(inode: &str) -> Option<u32> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // `1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF`
        let mut fields = line.split_whitespace().skip(1);
        let kind = fields.next()?;
        let pid = fields.nth(2)?;
        let device_and_inode = fields.next()?;
        (kind == "FLOCK" && device_and_inode.rsplit(':').next() == Some(inode))
            .then(|| pid.parse().ok())
            .flatten()
    })
}
