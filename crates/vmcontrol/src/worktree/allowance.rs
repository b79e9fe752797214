//! How much an execution may write to files.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{StatVfs, fstatvfs, statvfs};

use super::FileError;

/// What host modules may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteLimits {
    /// The most that one execution may write, in bytes.
    pub max_write_bytes: u64,
    /// What stays free of a disk, in bytes.
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
    /// Refuses to write to the disk that holds a path, if nothing is to be written there any more.
    ///
    /// # Errors
    /// [`FileError::NoRoom`], or when the disk can't be asked.
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

/// What one execution may still write. Those of a session come one after the other.
#[derive(Debug)]
pub struct WriteAllowance {
    limits: WriteLimits,
    written: AtomicU64,
}

impl WriteAllowance {
    /// For executions with these limits.
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

    /// Begins to count anew, for another execution.
    pub fn begin(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// Takes so many bytes that are about to be written to a file.
    ///
    /// # Errors
    /// [`FileError::NoRoom`], or when the disk can't be asked.
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
