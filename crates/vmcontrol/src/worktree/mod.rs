//! The one directory that a session's files come from.
//!
//! Every access goes through a directory handle. The links on a path are followed by hand ([`resolve`]), an absolute one as
//! well if it stays inside; what is opened then is opened by `cap-std`, by one name below a handle (with `openat2` where the
//! kernel has it) and without following a link. So no `..`, absolute path or symbolic link leads outside, and nothing that is
//! swapped during a call does.

mod allowance;
mod clean;
mod files;
mod folders;
mod moves;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod scoped;
#[cfg(test)]
mod scoped_tests;
mod stat;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, accessat, openat2};

use crate::file_id::FileId;
use crate::{Error, FsRefusal};
pub use allowance::{WriteAllowance, WriteLimits};
pub use clean::cleaned;
pub(crate) use clean::cleaned_below;
pub use folders::Listing;
use scoped::Place;
pub use scoped::{Scoped, WriteMode};
pub use stat::{FileKind, FileStat};

/// An open worktree.
#[derive(Debug)]
pub struct Worktree {
    given: PathBuf,
    path: PathBuf,
    dir: Dir,
    guarded: Vec<PathBuf>,
}

/// Why a file of the worktree could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path does not name something inside the worktree.
    #[error("{0}")]
    Outside(String),
    /// It is a directory, a FIFO or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// The file is larger than it may be.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// A listing takes more bytes than it may.
    #[error("the listing takes more than {0} bytes: list the folders in it one by one")]
    ListingTooLarge(usize),
    /// The daemon has no memory for it for now.
    #[error("the service holds too much for sessions just now: try again")]
    Busy,
    /// It would write more than a session may.
    #[error("{0}")]
    NoRoom(String),
    /// The operation can't be done to the worktree itself.
    #[error("it is the worktree itself")]
    Root,
    /// The capabilities of the template don't allow it.
    #[error("the template's capabilities don't allow {access} of {}", path.display())]
    Refused {
        /// What was asked for.
        access: FileAccess,
        /// The path below the worktree.
        path: PathBuf,
        /// Why.
        why: FsRefusal,
    },
    /// The operating system said no.
    #[error(transparent)]
    Io(io::Error),
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Its content is read.
    Read,
    /// It is made, changed or deleted.
    Write,
    /// It is looked at from outside.
    See,
}

impl std::fmt::Display for FileAccess {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Read | Self::See => "reading",
            Self::Write => "writing",
        })
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        // cap-std answers an escape with an error of its own, which has no code of the operating system.
        if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
            Self::Outside("it leads outside the worktree".into())
        } else {
            Self::Io(error)
        }
    }
}

impl Worktree {
    /// Opens the directory at an absolute path. What the `guarded` paths name, which have their links resolved, and what is in
    /// them, is never opened through it: the service's own files can lie in a worktree, and in the process that has its database
    /// open, opening and closing that by other means would drop SQLite's locks.
    ///
    /// # Errors
    /// [`Error::WorktreeInvalid`] when the path is not absolute, does not exist, is not a directory, or when the daemon's user
    /// may not read or enter it.
    pub fn open(path: &str, guarded: Vec<PathBuf>) -> Result<Self, Error> {
        let invalid = |reason: String| Error::WorktreeInvalid {
            path: path.to_owned(),
            reason,
        };
        if !Path::new(path).is_absolute() {
            return Err(invalid("it is not an absolute path".into()));
        }
        let canonical = Path::new(path)
            .canonicalize()
            .map_err(|error| invalid(in_words(&error)))?;
        if !canonical.is_dir() {
            return Err(invalid("it is not a directory".into()));
        }
        let dir = Dir::open_ambient_dir(&canonical, ambient_authority())
            .map_err(|error| invalid(in_words(&error)))?;
        check_access(&dir).map_err(|error| invalid(in_words(&error)))?;
        Ok(Self {
            given: path.into(),
            path: canonical,
            dir,
            guarded,
        })
    }

    /// Opens the directory as [`open`](Self::open) does, if that needs no more than the system has in memory; so this waits for no
    /// disk, and what is on a server is taken to be as it was. Nothing if that can't be, which is for `open` to say why, or to do
    /// (some file systems never have their symbolic links in memory).
    pub fn open_at_once(path: &str, guarded: Vec<PathBuf>) -> Option<Self> {
        let given = Path::new(path);
        if !given.is_absolute() {
            return None;
        }
        let opened = open_cached(given, ResolveFlags::empty())?;
        let shown = format!("/proc/self/fd/{}", opened.as_raw_fd());
        let real = std::fs::read_link(shown).ok()?;
        // That of a directory which was removed or unmounted meanwhile leads nowhere, or elsewhere.
        let found = open_cached(&real, ResolveFlags::NO_SYMLINKS)?;
        let is_there = FileId::of(&found).ok()? == FileId::of(&opened).ok()?;
        let is_usable = is_there && check_access(&found).is_ok();
        is_usable.then(|| Self {
            given: path.into(),
            path: real,
            dir: Dir::from_std_file(File::from(found)),
            guarded,
        })
    }

    /// The directory's absolute path, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths of files and folders that nothing is opened in.
    pub fn guarded(&self) -> &[PathBuf] {
        &self.guarded
    }

    /// Refuses a guarded file, under whatever name, and what is in a guarded folder.
    fn check_guard(&self, place: &Place) -> Result<(), FileError> {
        self.check_place(&place.real)?;
        match place.metadata() {
            Ok(file) => self.check_guarded(&file),
            // What can't be looked at can't be opened either, or does not exist yet.
            Err(_) => Ok(()),
        }
    }

    /// Refuses what is in a guarded folder. The path is one without links.
    fn check_place(&self, real: &Path) -> Result<(), FileError> {
        let real = self.path.join(real);
        if self.guarded.iter().any(|known| real.starts_with(known)) {
            return Err(own_files());
        }
        Ok(())
    }

    /// What tells the guarded files from all others, as far as they are there.
    fn guarded_ids(&self) -> Vec<FileId> {
        let ids = self.guarded.iter().map(|path| FileId::at(path));
        ids.filter_map(Result::ok).collect()
    }

    fn check_guarded(&self, file: &Metadata) -> Result<(), FileError> {
        let file = FileId::from(file);
        let is_file = |path: &PathBuf| FileId::at(path).is_ok_and(|known| known == file);
        if self.guarded.iter().any(is_file) {
            return Err(own_files());
        }
        Ok(())
    }

    /// Refuses a folder below which a guarded file lies.
    fn check_guarded_below(&self, folder: &Path) -> Result<(), FileError> {
        let folder = self.path.join(folder);
        if self.guarded.iter().any(|known| known.starts_with(&folder)) {
            return Err(own_files());
        }
        Ok(())
    }

    /// The handle that everything inside is reached through.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path below the worktree that `path` names: relative paths are inside, absolute ones must be.
    ///
    /// # Errors
    /// [`FileError::Outside`] for an empty path, `..`, a NUL, and an absolute path elsewhere.
    pub fn relative(&self, path: &str) -> Result<PathBuf, FileError> {
        let outside = |reason: &str| Err(FileError::Outside(reason.into()));
        if path.is_empty() {
            return outside("it is empty");
        }
        if path.contains('\0') {
            return outside("it contains a NUL");
        }
        let path = Path::new(path);
        let by_other_name;
        let below = if path.is_absolute() {
            let stripped = path
                .strip_prefix(&self.given)
                .or_else(|_| path.strip_prefix(&self.path));
            if let Ok(below) = stripped {
                below
            } else {
                by_other_name = self.below_by_other_name(path);
                match &by_other_name {
                    Some(below) => below,
                    None => return outside("it is an absolute path outside the worktree"),
                }
            }
        } else {
            path
        };
        let mut clean = PathBuf::new();
        for component in below.components() {
            match component {
                Component::Normal(name) => clean.push(name),
                Component::CurDir => {}
                Component::ParentDir => return outside("`..` is not allowed"),
                Component::RootDir | Component::Prefix(_) => return outside("it is absolute"),
            }
        }
        if clean.as_os_str().is_empty() {
            clean.push(".");
        }
        Ok(clean)
    }

    /// What a file of the worktree is called below it, as a clean path: `x/../b.js` is `b.js`, and an absolute path that lies
    /// inside becomes relative. Only the text is cleaned, and links are left as they are.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for a path that is blank or has a NUL, and for one that names the worktree itself or what is
    /// outside.
    pub fn clean_name(&self, path: &str) -> Result<String, Error> {
        let invalid = |error: FileError| Error::InvalidPath {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        if !Path::new(path).is_absolute() {
            return cleaned_below(path).map_err(invalid);
        }
        // What is cleaned away may be a part of the name that the worktree was given by.
        let below = self.relative(path).or_else(|_| {
            let clean = cleaned(Path::new(path)).unwrap_or_default();
            self.relative(&clean.to_string_lossy())
        });
        let below = below.map_err(invalid)?;
        cleaned_below(&below.to_string_lossy()).map_err(invalid)
    }
}

/// A handle of a directory, if the system has all of the path in memory.
fn open_cached(path: &Path, resolve: ResolveFlags) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::CACHED;
    openat2(CWD, path, flags, Mode::empty(), resolve).ok()
}

/// Fails if the user that the process runs as may not list a directory, or not open what is in it.
fn check_access(dir: impl AsFd) -> io::Result<()> {
    let access = Access::READ_OK | Access::EXEC_OK;
    Ok(accessat(dir, ".", access, AtFlags::EACCESS)?)
}

/// Why a directory can't be opened. Who is refused has to be told: the caller may well be allowed what the daemon is not.
fn in_words(error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    // SAFETY: the call takes nothing, touches no memory and always succeeds.
    let user = unsafe { libc::geteuid() };
    format!("the daemon, which runs as user id {user}, may not read or enter it: {error}")
}

/// A path with its links resolved, as far as there is something.
///
/// # Errors
/// When it can't be made absolute.
pub(crate) fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let real = path.ancestors().find_map(|there| {
        let rest = path.strip_prefix(there).ok()?;
        let real = there.canonicalize().ok()?;
        // Joining nothing would add a separator.
        Some(if rest.as_os_str().is_empty() {
            real
        } else {
            real.join(rest)
        })
    });
    Ok(real.unwrap_or(path))
}

fn own_files() -> FileError {
    FileError::Outside("it is the service's own".into())
}
