//! The bound on how much the statements of a run write to the files of a database.
//!
//! The kernel refuses a write that makes a file longer than `RLIMIT_FSIZE`, and SQLite reports that
//! as a failure of the disk. The limit is set before each statement, from what the run has written
//! so far and from the free space of the disk.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::statvfs::statvfs;
use vmcontrol::WriteLimits;

use crate::ipc::HostError;

/// The suffixes of the files that SQLite keeps beside a database file.
const BESIDE: [&str; 2] = ["-journal", "-wal"];

/// Makes a write beyond the limit fail. By default, the kernel kills the process.
///
/// # Errors
/// When the system refuses.
pub(super) fn survive_long_writes() -> io::Result<()> {
    // SAFETY: an ignored signal runs no handler.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    Ok(())
}

/// What the current run has written.
pub(super) struct Writes {
    limits: WriteLimits,
    /// By how much the statements of the run have made files longer, in bytes.
    written: u64,
}

/// What one statement may write.
pub(super) struct Bound {
    files: Vec<PathBuf>,
    /// The length of the files together before the statement, in bytes.
    before: u64,
    /// Whether the free space of the disk is less than the run may still write.
    is_disk_full: bool,
}

impl Writes {
    /// Nothing was written.
    pub(super) fn new(limits: WriteLimits) -> Self {
        Self { limits, written: 0 }
    }

    /// The limits of one run.
    pub(super) fn limits(&self) -> &WriteLimits {
        &self.limits
    }

    /// Resets the count for another run.
    pub(super) fn begin_run(&mut self) {
        self.written = 0;
    }

    /// Bounds what the next statement writes to the files of a database.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn begin(&self, database: &Path) -> io::Result<Bound> {
        let beside = BESIDE.map(|end| {
            let mut name = OsString::from(database);
            name.push(end);
            PathBuf::from(name)
        });
        let files: Vec<_> = [database.to_owned()].into_iter().chain(beside).collect();
        let lengths: Vec<u64> = files.iter().map(|file| length_of(file)).collect();
        let folder = database.parent().unwrap_or(Path::new("."));
        let disk = statvfs(folder)?;
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let of_disk = free.saturating_sub(self.limits.min_free_bytes);
        let of_run = self.limits.max_write_bytes.saturating_sub(self.written);
        let longest = lengths.iter().max().copied().unwrap_or_default();
        let longest = longest.saturating_add(of_disk.min(of_run));
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
        setrlimit(Resource::RLIMIT_FSIZE, longest.min(hard), hard)?;
        Ok(Bound {
            files,
            before: lengths.iter().sum(),
            is_disk_full: of_disk < of_run,
        })
    }

    /// Adds what a statement has written.
    pub(super) fn end(&mut self, bound: &Bound) {
        let after: u64 = bound.files.iter().map(|file| length_of(file)).sum();
        self.written += after.saturating_sub(bound.before);
    }
}

impl Bound {
    /// The error of a failed statement, which is replaced if the statement failed because it wrote
    /// too much.
    pub(super) fn explain(&self, failure: HostError, limits: &WriteLimits) -> HostError {
        let is_of_disk = ["disk I/O error", "database or disk is full"]
            .iter()
            .any(|text| failure.message.contains(text));
        if !is_of_disk {
            return failure;
        }
        let megabytes = |bytes: u64| bytes / (1024 * 1024);
        let reason = if self.is_disk_full {
            format!(
                "the daemon leaves {} MB of the disk free (serve --min-free-disk)",
                megabytes(limits.min_free_bytes)
            )
        } else {
            format!(
                "one execution may write {} MB to files (serve --max-write-mb)",
                megabytes(limits.max_write_bytes)
            )
        };
        HostError::with_code(
            "ENOSPC",
            format!("ENOSPC: no space left on device, database: {reason}"),
        )
    }
}

/// The length of a file, in bytes; 0 if there is no such file.
fn length_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}
