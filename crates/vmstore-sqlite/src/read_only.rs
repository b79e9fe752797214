//! Reading a database file without a change to any file.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::connection::BUSY_TIMEOUT;
use crate::error::OpenError;
use crate::files::{WAL, WAL_INDEX, beside};

/// A connection that writes to no file of the database.
pub(crate) struct ReadOnly {
    pub(crate) connection: Connection,
    /// The index of the WAL that SQLite makes for this connection; `None` if it needs no new one.
    made: Option<PathBuf>,
}

impl ReadOnly {
    /// Opens the file at `path`, which has no links in it. `is_served` tells whether a daemon has
    /// the database open.
    pub(crate) fn open(path: &Path, is_served: bool) -> Result<Self, OpenError> {
        let has_wal = std::fs::metadata(beside(path, WAL)).is_ok_and(|wal| wal.len() > 0);
        let index = beside(path, WAL_INDEX);
        // A database that is not in use and has no WAL is complete in its file: SQLite needs no
        // other file.
        let (parameters, made) = if is_served || has_wal {
            let is_new = !is_served && !index.exists();
            ("mode=ro", is_new.then_some(index))
        } else {
            ("mode=ro&immutable=1", None)
        };
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(uri(path, parameters), flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        };
        let connection = open().map_err(|source| OpenError::Sqlite {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { connection, made })
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // The file lock keeps daemons away. The connection is still open and does not need the
        // index any more.
        if let Some(made) = &self.made {
            // The removal fails if SQLite has not made the index.
            let _ = std::fs::remove_file(made);
        }
    }
}

/// The path and parameters as a URI for SQLite.
fn uri(path: &Path, parameters: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            // Writing to a string can't fail.
            byte => drop(write!(uri, "%{byte:02x}")),
        }
    }
    uri + "?" + parameters
}
