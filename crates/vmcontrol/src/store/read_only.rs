//! Reading a database file without changing anything.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::OpenError;
use super::files::{LOG, beside};
use super::open::BUSY_TIMEOUT;

/// A connection that changes nothing, and the file that SQLite may have to make for it.
pub(super) struct ReadOnly {
    pub(super) connection: Connection,
    made: Option<PathBuf>,
}

impl ReadOnly {
    /// Opens the file of that path, which has no links in it. `is_served` says that a daemon has it.
    pub(super) fn open(path: &Path, is_served: bool) -> Result<Self, OpenError> {
        let has_log = std::fs::metadata(beside(path, LOG)).is_ok_and(|log| log.len() > 0);
        let index = beside(path, "-shm");
        // What is not in use and has no log is all in the file, and nothing needs to stand beside it.
        let (parameters, made) = if is_served || has_log {
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
        // The file lock keeps daemons away. Open though it still is, the connection needs it no more.
        if let Some(made) = &self.made {
            // It may not have been made.
            let _ = std::fs::remove_file(made);
        }
    }
}

/// The path as SQLite takes it with parameters.
fn uri(path: &Path, parameters: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            // Writing to a string does not fail.
            byte => drop(write!(uri, "%{byte:02x}")),
        }
    }
    uri + "?" + parameters
}
