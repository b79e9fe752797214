use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::lock::LockError;

/// Why a query or a write failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("the disk that holds the database is full: free some space and try again")]
    Full,
    /// The database can't be reached for now: an input or output error, a lock, a vanished file.
    #[error("the database can't be used for now: {0}")]
    Unreachable(String),
    /// The store was closed.
    #[error("the service is shutting down")]
    Closed,
    /// What is stored, or a statement, is not as it must be.
    #[error("the database refused a statement")]
    Sql(#[source] rusqlite::Error),
    /// A stored text is not what its column must hold.
    #[error("column {column} of the database holds {text:?}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What it holds.
        text: String,
    },
}

impl StoreError {
    /// Whether a retry may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Full | Self::Unreachable(_) | Self::Closed)
    }

    /// The same failure, for everybody else whose write was in the transaction that it ended.
    pub(super) fn shared(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Closed => Self::Closed,
            Self::Unreachable(reason) => Self::Unreachable(reason.clone()),
            Self::Sql(_) | Self::Corrupt { .. } => Self::Unreachable(self.to_string()),
        }
    }

    /// Whether a constraint was the cause, which a retry meets again.
    pub(crate) fn is_constraint(&self) -> bool {
        match self {
            Self::Sql(error) => error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation),
            _ => false,
        }
    }

    /// Whether a `UNIQUE` or `PRIMARY KEY` constraint was the cause.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => {
                error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                    || error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            }
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory,
            ) => Self::Unreachable(error.to_string()),
            _ => Self::Sql(error),
        }
    }
}

/// Why a database could not be opened. The file is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon holds it, or the file can't be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is missing.
    #[error("the directory of the database {} does not exist: create it, or name another path with --db", path.display())]
    NoDirectory {
        /// The database's path.
        path: PathBuf,
    },
    /// The operating system refused it.
    #[error("the database {} can't be opened", path.display())]
    Io {
        /// The database's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no SQLite database.
    #[error("{} is not an SQLite database: name another path with --db", path.display())]
    NotADatabase {
        /// The path.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error("{} is a database of another program: name another path with --db", path.display())]
    ForeignDatabase {
        /// The path.
        path: PathBuf,
    },
    /// The database was written by a newer version.
    #[error(
        "the database {} has schema {found}, and this version of vm-system knows schemas up to {known}: use the version that wrote it, or a newer one",
        path.display()
    )]
    NewerSchema {
        /// The path.
        path: PathBuf,
        /// The schema that it has.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// The database or its directory is read-only.
    #[error("the database {} can't be written: make the file and its directory writable", path.display())]
    ReadOnly {
        /// The path.
        path: PathBuf,
    },
    /// Its schema could not be brought up to date.
    #[error("the schema of the database {} can't be brought up to date", path.display())]
    Migration {
        /// The path.
        path: PathBuf,
        /// Why.
        source: rusqlite_migration::Error,
    },
    /// SQLite refused it in another way.
    #[error("the database {} can't be opened", path.display())]
    Sqlite {
        /// The path.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}
