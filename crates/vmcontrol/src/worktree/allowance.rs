//! The number of bytes that an execution may write to files.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{StatVfs, fstatvfs, statvfs};

use super::error::FileError;

/// The limits of what host modules write to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// The number of bytes that one execution may write.
    pub max_write_bytes: u64,
    /// The number of bytes of a disk that stay free.
    pub min_free_bytes: u64,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self {
            max_write_bytes: 256 * 1024 * 1024,
            min_free_bytes: 512 * 1024 * 1024,
        }
    }
}

impl WriteLimits {
    /// Checks that the disk that holds a path has more than its free bytes left.
    ///
    /// # Errors
    /// [`FileError::NoRoom`] when it has not; when the system call fails.
    pub fn check_disk(&self, path: &Path) -> Result<(), FileError> {
        self.check_free(&statvfs(path).map_err(io::Error::from)?, 0)
    }

    fn check_free(&self, disk: &StatVfs, bytes: u64) -> Result<(), FileError> {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free.saturating_sub(bytes) >= self.min_free_bytes {
            return Ok(());
        }
        Err(FileError::NoRoom(format!(
            "the disk has {} MB left, and the daemon leaves {} MB of it free (serve --min-free-disk)",
            free / (1024 * 1024),
            self.min_free_bytes / (1024 * 1024),
        )))
    }
}

/// Counts the bytes that an execution writes. A session has one, as its executions run one after
/// the other.
#[derive(Debug)]
pub struct WriteAllowance {
    limits: WriteLimits,
    written: AtomicU64,
}

impl WriteAllowance {
    /// An allowance of these limits for each execution.
    pub fn new(limits: WriteLimits) -> Self {
        Self {
            limits,
            written: AtomicU64::new(0),
        }
    }

    /// The limits.
    pub fn limits(&self) -> &WriteLimits {
        &self.limits
    }

    /// Sets the count to zero, for the next execution.
    pub fn begin(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// Counts bytes that are about to be written to a file.
    ///
    /// # Errors
    /// [`FileError::NoRoom`] when a limit forbids it, and nothing is counted; when the system call
    /// fails.
    pub fn take(&self, file: impl AsFd, bytes: u64) -> Result<(), FileError> {
        let disk = fstatvfs(file).map_err(io::Error::from)?;
        self.limits.check_free(&disk, bytes)?;
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limits.max_write_bytes {
            return Ok(());
        }
        self.written.fetch_sub(bytes, Ordering::Relaxed);
        Err(FileError::NoRoom(format!(
            "one execution may write {} MB to files (serve --max-write-mb), and this one has written {} bytes",
            self.limits.max_write_bytes / (1024 * 1024),
            before,
        )))
    }
}
