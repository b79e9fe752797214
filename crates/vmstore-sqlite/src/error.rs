//! Why an operation on a database fails: inside this crate, for the port, and when it is opened.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use vmcontrol::store::{StoreError, UnreadableRecord};

/// Why a query or a write failed, as this crate's modules pass it on. Callers of the port get the
/// [`StoreError`] that it is converted into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// The disk is full.
    #[error("{}", StoreError::Full)]
    Full,
    /// The database can't be reached for now: a lock, a vanished file.
    #[error("the database can't be used for now: {0}")]
    Unreachable(String),
    /// The operating system failed to read or write: the disk is broken, or a file is shorter than
    /// it was.
    #[error("the database can't be used for now: {0}")]
    Io(String),
    /// The store was closed.
    #[error("{}", StoreError::Closed)]
    Closed,
    /// The database file is damaged.
    #[error("the database is damaged ({0}): `vm-system ops check` says where")]
    Damaged(String),
    /// A statement is invalid, or breaks a constraint.
    #[error("the database refused a statement")]
    Sql(#[source] rusqlite::Error),
    /// A row can't be decoded.
    #[error("a stored record can't be read: {0}")]
    Unreadable(UnreadableRecord),
}

impl DbError {
    /// The same failure, for the other writes of the transaction that the failure ended.
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Closed => Self::Closed,
            Self::Unreachable(reason) => Self::Unreachable(reason.clone()),
            Self::Io(reason) => Self::Io(reason.clone()),
            Self::Damaged(reason) => Self::Damaged(reason.clone()),
            Self::Unreadable(record) => Self::Unreadable(record.clone()),
            Self::Sql(_) => Self::Unreachable(self.to_string()),
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
    fn is_duplicate(&self) -> bool {
        match self {
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => matches!(
                error.extended_code,
                SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY
            ),
            _ => false,
        }
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        let (is_constraint, is_duplicate) = (error.is_constraint(), error.is_duplicate());
        match error {
            DbError::Full => Self::Full,
            DbError::Unreachable(reason) => Self::Unreachable(reason),
            DbError::Io(reason) => Self::Io(reason),
            DbError::Closed => Self::Closed,
            DbError::Damaged(reason) => Self::Damaged(reason),
            DbError::Unreadable(record) => Self::Unreadable(record),
            DbError::Sql(error) if is_duplicate => Self::Duplicate(Box::new(error)),
            DbError::Sql(error) if is_constraint => Self::Constraint(Box::new(error)),
            DbError::Sql(error) => Self::Rejected(Box::new(error)),
        }
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::SystemIoFailure) => Self::Io(error.to_string()),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory,
            ) => Self::Unreachable(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ if is_of_damage(&error) => Self::Damaged(error.to_string()),
            _ => Self::Sql(error),
        }
    }
}

/// Whether an error without a code for damage comes from damage: the statements are right, so the
/// stored values or the schema are not.
fn is_of_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqlInputError,
        SqliteFailure, Utf8Error,
    };
    let is_missing = |message: &str| {
        message.starts_with("no such table") || message.starts_with("no such column")
    };
    match error {
        FromSqlConversionFailure(..)
        | IntegralValueOutOfRange(..)
        | InvalidColumnType(..)
        | Utf8Error(..) => true,
        SqliteFailure(_, Some(message)) | SqlInputError { msg: message, .. } => is_missing(message),
        _ => false,
    }
}

/// Why the database could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("the database {} is in use by {}: stop that daemon, or name another path with --db", path.display(), holder_text(*.holder))]
    Held {
        /// The database's path.
        path: PathBuf,
        /// The holder's process id; `None` if the system does not tell it.
        holder: Option<u32>,
    },
    /// The file system can't lock.
    #[error("the database {} can't be locked", path.display())]
    Failed {
        /// The database's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map_or_else(
        || "another process".into(),
        |pid| format!("the process {pid}"),
    )
}

/// Why a database could not be opened. The file is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has the database locked, or the file can't be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory is missing.
    #[error("the directory of the database {} does not exist: create it, or name another path with --db", path.display())]
    NoDirectory {
        /// The database's path.
        path: PathBuf,
    },
    /// The operating system refused to open the file.
    #[error("the database {} can't be opened", path.display())]
    Io {
        /// The database's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is no SQLite database.
    #[error("{} is not an SQLite database: name another path with --db", path.display())]
    NotADatabase {
        /// The path.
        path: PathBuf,
    },
    /// The file does not exist.
    #[error("there is no database {}: name another path", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The database was made by the Go service, of which this program is the successor.
    #[error(
        "{} is a database of the Go service: bring it over with `vm-system ops import {}`",
        path.display(), quoted(real_path)
    )]
    GoService {
        /// The path as it was given.
        path: PathBuf,
        /// The path without links.
        real_path: PathBuf,
    },
    /// A table, a column or an index of the database is missing.
    #[error(
        "the database {} is damaged ({}): `vm-system ops check --db {}` says what else is, and a copy may be whole",
        path.display(), missing.join(", "), quoted(path)
    )]
    Incomplete {
        /// The path.
        path: PathBuf,
        /// What is missing.
        missing: Vec<String>,
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
    /// The schema could not be brought up to date.
    #[error("the schema of the database {} can't be brought up to date", path.display())]
    Migration {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: rusqlite_migration::Error,
    },
    /// The database can't be read for now.
    #[error("the database {} can't be read", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
    /// SQLite failed in another way.
    #[error("the database {} can't be opened", path.display())]
    Sqlite {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// The error for what SQLite reports about the database at `path`.
    pub(crate) fn of_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { path }
            }
            _ => Self::Sqlite { path, source },
        }
    }
}

/// A path in the form that a shell takes.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
