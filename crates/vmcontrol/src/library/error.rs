//! Why a library, or the cache of libraries, can't be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a library, or the cache of libraries, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No library can have that name.
    #[error("{name:?} is not the name of a library: use <id>-<version> as in lodash-4.17.21")]
    Name {
        /// The name as it was given.
        name: String,
    },
    /// A name without a version, of which the lock file has several.
    #[error("there are several versions of {name}: name one of them in full, as in {}", versions.join(" or "))]
    Ambiguous {
        /// The name as it was given.
        name: String,
        /// The full names that it can mean.
        versions: Vec<String>,
    },
    /// The library is not in the cache.
    #[error(
        "{} is not there; fetch it with `vm-system libs download {name}`{}, or put a file of your own there",
        path.display(),
        cache_flag(path)
    )]
    Missing {
        /// The library.
        name: String,
        /// The path of the missing file.
        path: PathBuf,
    },
    /// The file has another checksum than the lock file says.
    #[error(
        "{} is damaged: its checksum is {actual}, and the lock file says {expected}; \
         fetch it anew with `vm-system libs download {name}`{}",
        path.display(),
        cache_flag(path)
    )]
    Damaged {
        /// The library.
        name: String,
        /// The file.
        path: PathBuf,
        /// The checksum in the lock file.
        expected: String,
        /// The checksum of the file.
        actual: String,
    },
    /// The file is larger than a library may be.
    #[error("{} is larger than the {limit_bytes} bytes that a library may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size of a library, in bytes.
        limit_bytes: u64,
    },
    /// The file is no text.
    #[error("{} is not UTF-8 text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// The lock file can't be parsed. No library is loaded then: any of them may have been tampered
    /// with.
    #[error("the lock file {} can't be used: {reason}; delete it and download the libraries anew", path.display())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A system call failed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// The operation, a verb as in `read`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

/// The flag with which `libs download` writes to this cache: without it, it writes to the one below
/// its working directory.
fn cache_flag(file: &Path) -> String {
    let dir = file.parent().and_then(|dir| std::path::absolute(dir).ok());
    dir.map_or_else(String::new, |dir| {
        format!(" (and `--cache {}`)", dir.display())
    })
}

impl LibraryError {
    /// Wraps an error of an operation on a path, for `map_err`.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// The error with its source in one text, for a message that is all that is kept of it.
    pub(crate) fn full_text(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
