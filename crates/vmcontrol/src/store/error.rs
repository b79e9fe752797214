//! Why an operation of a store fails.

use std::error::Error;
use std::fmt;

/// The cause of a failure as an implementation knows it.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a read or a write failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. A retry may help.
    #[error("the disk that holds the database is full: free some space and try again")]
    Full,
    /// The database can't be reached for now: a lock, a vanished or read-only file. A retry may
    /// help.
    #[error("the database can't be used for now: {0}")]
    Unreachable(String),
    /// The operating system failed to read or to write: the disk is broken, or a file is shorter
    /// than it was. A retry may help.
    #[error("the database can't be used for now: {0}")]
    Io(String),
    /// The store was closed.
    #[error("the service is shutting down")]
    Closed,
    /// The database is damaged.
    #[error("the database is damaged ({0}): `vm-system ops check` says where")]
    Damaged(String),
    /// Another record has the id, the name or the path that must be unique. A retry fails again.
    #[error("the database refused a statement")]
    Duplicate(#[source] Cause),
    /// A record refers to one that does not exist, or breaks another rule of the schema. A retry
    /// fails again.
    #[error("the database refused a statement")]
    Constraint(#[source] Cause),
    /// The store refused an operation for a reason that is a bug of the service.
    #[error("the database refused a statement")]
    Rejected(#[source] Cause),
    /// A record does not hold what it must.
    #[error("a stored record can't be read: {0}")]
    Unreadable(UnreadableRecord),
}

impl StoreError {
    /// Whether a retry may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full | Self::Unreachable(_) | Self::Io(_) | Self::Closed
        )
    }

    /// Whether a rule about records was the cause, which a retry meets again.
    pub fn is_constraint(&self) -> bool {
        matches!(self, Self::Duplicate(_) | Self::Constraint(_))
    }

    /// Whether another record has what must be unique.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate(_))
    }
}

/// A stored record that can't be decoded.
///
/// A disk can change what is stored, and so can other programs. A read of the record by its id then
/// fails with an error that names it; a list leaves it out, and the store logs that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRecord {
    /// Its table.
    pub table: &'static str,
    /// Its id. A record without an id of its own has that of its owner: an event its execution's.
    pub id: String,
    /// What is wrong with it; names the column.
    pub reason: String,
}

impl fmt::Display for UnreadableRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.id, self.reason)
    }
}
