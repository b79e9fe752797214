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
    /// The lock file has several versions of it.
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
        into(path)
    )]
    Missing {
        /// The library.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The file is not the one that the lock file names.
    #[error(
        "{} is damaged: its checksum is {actual}, and the lock file says {expected}; \
         fetch it anew with `vm-system libs download {name}`{}",
        path.display(),
        into(path)
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
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is no text.
    #[error("{} is not UTF-8 text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// The lock file can't be understood. Nothing is loaded then: nobody knows what has been tampered with.
    #[error("the lock file {} can't be used: {reason}; delete it and download the libraries anew", path.display())]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system fails.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as in `read`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The flag that has a library downloaded to where it is looked for: the cache of whoever downloads is the one below the
/// directory that they are in.
fn into(file: &Path) -> String {
    let dir = file.parent().and_then(|dir| std::path::absolute(dir).ok());
    dir.map_or_else(String::new, |dir| {
        format!(" (and `--cache {}`)", dir.display())
    })
}

impl LibraryError {
    /// For `map_err`.
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// The error with its cause, for a message that is all that is kept of it.
    pub fn in_words(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
