//! Opening a worktree, without a thread where the kernel has its path in memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, accessat, openat2};

use super::tree::Worktree;
use crate::Error;
use crate::file_id::FileId;
use crate::tasks::blocking;

/// An open directory.
pub(super) struct Opened {
    /// Its absolute path, without symbolic links.
    pub(super) real: PathBuf,
    pub(super) dir: Dir,
}

impl Worktree {
    /// Opens the directory at an absolute path. If the kernel has the path in memory, this makes a
    /// few system calls that never wait for a disk or a file server; else it uses a thread that may
    /// block.
    ///
    /// What the `guarded` paths name, which have their links resolved, and what is in them, is
    /// never opened through the worktree: the service's own files can lie in one, and in the
    /// process that has its database open, opening and closing that by other means would drop
    /// SQLite's locks.
    ///
    /// # Errors
    /// [`Error::WorktreeInvalid`] when the path is not absolute, does not exist, is not a
    /// directory, or when the daemon's user may not read or enter it.
    pub async fn open(path: &str, guarded: Vec<PathBuf>) -> Result<Self, Error> {
        let opened = if let Some(opened) = open_cached(Path::new(path)) {
            opened
        } else {
            let path = path.to_owned();
            blocking(move || open_uncached(&path)).await?
        };
        Ok(Self::new(path, opened.real, opened.dir, guarded))
    }

    /// Opens the directory as [`open`](Self::open) does, on the thread that calls it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(path: &str, guarded: Vec<PathBuf>) -> Result<Self, Error> {
        let opened = open_uncached(path)?;
        Ok(Self::new(path, opened.real, opened.dir, guarded))
    }
}

fn open_uncached(path: &str) -> Result<Opened, Error> {
    let invalid = |reason: String| Error::WorktreeInvalid {
        path: path.to_owned(),
        reason,
    };
    if !Path::new(path).is_absolute() {
        return Err(invalid("it is not an absolute path".into()));
    }
    let failed = |error: io::Error| invalid(open_failure(&error));
    let real = Path::new(path).canonicalize().map_err(failed)?;
    if !real.is_dir() {
        return Err(invalid("it is not a directory".into()));
    }
    let dir = Dir::open_ambient_dir(&real, ambient_authority()).map_err(failed)?;
    check_access(&dir).map_err(failed)?;
    Ok(Opened { real, dir })
}

/// Opens a directory if the kernel has all of its path in memory; what is on a file server is taken
/// to be as it was. `None` when it has not (some file systems never have their symbolic links in
/// memory), and when the directory can't be used, for which [`open_uncached`] finds the reason.
pub(super) fn open_cached(given: &Path) -> Option<Opened> {
    if !given.is_absolute() {
        return None;
    }
    let opened = open_handle_cached(given, ResolveFlags::empty())?;
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let real = std::fs::read_link(link).ok()?;
    // The path of a directory that was removed or unmounted meanwhile leads nowhere, or elsewhere.
    let found = open_handle_cached(&real, ResolveFlags::NO_SYMLINKS)?;
    let is_same = FileId::of(&found).ok()? == FileId::of(&opened).ok()?;
    let is_usable = is_same && check_access(&found).is_ok();
    is_usable.then(|| Opened {
        real,
        dir: Dir::from_std_file(File::from(found)),
    })
}

fn open_handle_cached(path: &Path, resolve: ResolveFlags) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::CACHED;
    openat2(CWD, path, flags, Mode::empty(), resolve).ok()
}

/// Fails if the user that the process runs as may not list a directory, or not open what is in it.
fn check_access(dir: impl AsFd) -> io::Result<()> {
    let access = Access::READ_OK | Access::EXEC_OK;
    Ok(accessat(dir, ".", access, AtFlags::EACCESS)?)
}

/// Why a directory can't be opened. A missing permission is told with the user that lacks it: the
/// caller may well have it.
fn open_failure(error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    // SAFETY: the call takes nothing, touches no memory and always succeeds.
    let user = unsafe { libc::geteuid() };
    format!("the daemon, which runs as user id {user}, may not read or enter it: {error}")
}

/// An absolute path with the symbolic links of its existing part resolved. The rest of it need not
/// exist.
///
/// # Errors
/// When the path can't be made absolute.
pub(crate) fn real_or_absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let real = path.ancestors().find_map(|existing| {
        let rest = path.strip_prefix(existing).ok()?;
        let real = existing.canonicalize().ok()?;
        // Joining an empty path would add a separator.
        Some(if rest.as_os_str().is_empty() {
            real
        } else {
            real.join(rest)
        })
    });
    Ok(real.unwrap_or(path))
}
