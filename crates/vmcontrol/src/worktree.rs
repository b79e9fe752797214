//! The one directory that a session's files come from.
//!
//! Every access goes through a directory handle and `cap-std`, which resolves each path component below the handle
//! (with `openat2` where the kernel has it): no `..`, absolute path or symbolic link leads outside, and nothing that is
//! swapped during a call does.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt};

use crate::Error;

/// Opening a FIFO must not wait for a writer: `O_NONBLOCK` on Linux and the BSDs of today.
#[cfg(target_os = "linux")]
const O_NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const O_NONBLOCK: i32 = 0x0004;

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
    /// The operating system said no.
    #[error(transparent)]
    Io(io::Error),
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
    /// Opens the directory at an absolute path. What the `guarded` paths name is never opened through it: the service's
    /// own database can lie in a worktree, and in the process that has it open, opening and closing it by other means
    /// would drop SQLite's locks.
    ///
    /// # Errors
    /// [`Error::WorktreeInvalid`] when the path is not absolute, does not exist or is not a directory.
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
            .map_err(|error| invalid(error.to_string()))?;
        if !canonical.is_dir() {
            return Err(invalid("it is not a directory".into()));
        }
        let dir = Dir::open_ambient_dir(&canonical, ambient_authority())
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            given: path.into(),
            path: canonical,
            dir,
            guarded,
        })
    }

    /// The directory's absolute path, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths of files that are never opened.
    pub fn guarded(&self) -> &[PathBuf] {
        &self.guarded
    }

    /// Refuses a guarded file, under whatever name.
    fn check_guard(&self, below: &Path) -> Result<(), FileError> {
        let Ok(file) = self.dir.metadata(below) else {
            // What can't be looked at can't be opened either, or does not exist yet.
            return Ok(());
        };
        let is_guarded = self.guarded.iter().any(|path| {
            std::fs::metadata(path)
                .is_ok_and(|known| (known.dev(), known.ino()) == (file.dev(), file.ino()))
        });
        if is_guarded {
            return Err(FileError::Outside(
                "it is the service's own database".into(),
            ));
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
        let below = match Path::new(path) {
            absolute if absolute.is_absolute() => {
                let stripped = absolute
                    .strip_prefix(&self.given)
                    .or_else(|_| absolute.strip_prefix(&self.path));
                match stripped {
                    Ok(below) => below,
                    Err(_) => return outside("it is an absolute path outside the worktree"),
                }
            }
            relative => relative,
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

    /// Reads a regular file of at most `max_bytes`.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
        let below = self.relative(path)?;
        self.check_guard(&below)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(O_NONBLOCK);
        let file = self.dir.open_with(&below, &options)?;
        if !file.metadata()?.is_file() {
            return Err(FileError::NotAFile);
        }
        let mut bytes = Vec::new();
        file.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(FileError::TooLarge(max_bytes));
        }
        Ok(bytes)
    }

    /// Replaces what a regular file holds, or makes it.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        let below = self.relative(path)?;
        self.check_guard(&below)?;
        let mut options = OpenOptions::new();
        // It is cut short only once it is known to be a regular file.
        options.write(true).create(true).custom_flags(O_NONBLOCK);
        let mut file = self.dir.open_with(&below, &options)?;
        if !file.metadata()?.is_file() {
            return Err(FileError::NotAFile);
        }
        file.set_len(0)?;
        file.write_all(bytes)?;
        Ok(())
    }

    /// The absolute path of a file that may not exist yet, with every link on the way to it resolved below the
    /// worktree: for libraries that take nothing but a path.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn real_path(&self, below: &Path) -> Result<PathBuf, FileError> {
        let name = below
            .file_name()
            .ok_or_else(|| FileError::Outside("it names no file".into()))?;
        let parent = match below.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.dir.canonicalize(parent)?,
            _ => PathBuf::new(),
        };
        let below = parent.join(name);
        self.check_guard(&below)?;
        Ok(self.path.join(below))
    }

    /// Reads a script: as [`read`](Self::read), with what is not valid UTF-8 replaced.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::InvalidPath`] or [`Error::FileTooLarge`].
    pub fn read_script(&self, path: &str, max_bytes: u64) -> Result<String, Error> {
        let invalid = |reason: String| Error::InvalidPath {
            path: path.to_owned(),
            reason,
        };
        match self.read(path, max_bytes) {
            Ok(bytes) => Ok(String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
            Err(error @ (FileError::Outside(_) | FileError::NotAFile)) => {
                Err(invalid(error.to_string()))
            }
            Err(FileError::TooLarge(limit_bytes)) => Err(Error::FileTooLarge {
                path: path.to_owned(),
                limit_bytes,
            }),
            Err(FileError::Io(error)) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    Err(Error::FileNotFound {
                        path: path.to_owned(),
                    })
                }
                _ => Err(invalid(error.to_string())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn worktree() -> (tempfile::TempDir, Worktree) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        std::fs::write(dir.path().join("tree/a.js"), "1").unwrap();
        let guarded = vec![dir.path().join("tree/guarded")];
        let tree = Worktree::open(dir.path().join("tree").to_str().unwrap(), guarded).unwrap();
        (dir, tree)
    }

    #[test]
    fn files_inside_are_read_by_relative_and_by_absolute_path() {
        let (dir, tree) = worktree();
        assert_eq!(tree.read_script("./a.js", 10).unwrap(), "1");
        let absolute = dir.path().join("tree/a.js");
        assert_eq!(
            tree.read_script(absolute.to_str().unwrap(), 10).unwrap(),
            "1"
        );
    }

    #[test]
    fn a_guarded_file_is_not_opened_under_any_name() {
        let (dir, tree) = worktree();
        std::fs::write(dir.path().join("tree/guarded"), "kept").unwrap();
        std::os::unix::fs::symlink("guarded", dir.path().join("tree/link")).unwrap();
        std::fs::hard_link(
            dir.path().join("tree/guarded"),
            dir.path().join("tree/other"),
        )
        .unwrap();
        for name in ["guarded", "link", "other", "./guarded"] {
            assert!(tree.read(name, 100).is_err(), "{name}");
            assert!(tree.write(name, b"").is_err(), "{name}");
        }
        let kept = std::fs::read(dir.path().join("tree/guarded")).unwrap();
        assert_eq!(kept, b"kept");
    }

    #[test]
    fn nothing_outside_is_read() {
        let (dir, tree) = worktree();
        let secret = dir.path().join("secret");
        std::os::unix::fs::symlink(&secret, dir.path().join("tree/link")).unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("tree/up")).unwrap();
        for path in [
            "../secret",
            "x/../../secret",
            secret.to_str().unwrap(),
            "link",
            "up/secret",
            "/proc/self/root/etc/passwd",
            "",
            "a\0b",
            ".",
        ] {
            assert!(
                matches!(tree.read_script(path, 100), Err(Error::InvalidPath { .. })),
                "{path:?}"
            );
        }
    }

    #[test]
    fn a_missing_file_and_a_long_one_are_told_apart() {
        let (_dir, tree) = worktree();
        assert!(matches!(
            tree.read_script("b.js", 10),
            Err(Error::FileNotFound { .. })
        ));
        assert!(matches!(
            tree.read_script("a.js", 0),
            Err(Error::FileTooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_relative_path_never_climbs(path in "[./a\\\\~]{0,24}") {
            let (_dir, tree) = worktree();
            if let Ok(below) = tree.relative(&path) {
                prop_assert!(below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)));
            }
        }
    }
}
