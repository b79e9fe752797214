//! Opening a database for the store: its connections, their settings, and its schema.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::connection::{BUSY_TIMEOUT, open_read_write};
use crate::error::OpenError;
use crate::identity::{APPLICATION_ID, SQLITE_MAGIC, check_owner};
use crate::lock::DatabaseLock;
use crate::schema;
use crate::wal::{self, KEPT_BYTES};

/// Opens the connection that writes, on a database of this program or an empty one.
pub(crate) fn writer(path: &Path, lock: &DatabaseLock) -> Result<Connection, OpenError> {
    check_header(path, lock)?;
    let mut connection =
        open_read_write(path).map_err(|source| OpenError::of_sqlite(path, source))?;
    prepare(path, &mut connection)?;
    Ok(connection)
}

/// Opens the connection that checkpoints the WAL.
pub(crate) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = open_read_write(path)?;
        // The connection waits for no lock: the next checkpoint moves what this one can't move.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    open().map_err(|source| OpenError::of_sqlite(path, source))
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = open_read_write(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|source| OpenError::of_sqlite(path, source))
}

/// Reads the start of the file before SQLite does, whose message about a foreign file is less
/// clear. The start is read through the lock's descriptor, since closing another descriptor would
/// drop SQLite's locks.
fn check_header(path: &Path, lock: &DatabaseLock) -> Result<(), OpenError> {
    let mut file = lock.file();
    let mut header = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(16).read_to_end(&mut header))
        .map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
    // A loss of power while the file was made may leave a file of zeros, which SQLite repairs.
    if header.iter().all(|byte| *byte == 0) || header == SQLITE_MAGIC {
        Ok(())
    } else {
        Err(OpenError::NotADatabase {
            path: path.to_owned(),
        })
    }
}

/// Checks whose database this is, configures the connection and brings the schema up to date.
fn prepare(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    check_owner(path, connection)?;
    configure(connection).map_err(|source| OpenError::of_sqlite(path, source))?;
    schema::migrations()
        .to_latest(connection)
        .map_err(|source| migration_error(path, source))?;
    let missing =
        schema::missing(connection).map_err(|source| OpenError::of_sqlite(path, source))?;
    if missing.is_empty() {
        Ok(())
    } else {
        Err(OpenError::Incomplete {
            path: path.to_owned(),
            missing,
        })
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A connection has one WAL hook. SQLite's own, which would checkpoint the WAL in a commit, is
    // switched off, and this crate's counts the frames.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    wal::count_frames(connection);
    connection.pragma_update(None, "journal_size_limit", KEPT_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migration_error(path: &Path, source: rusqlite_migration::Error) -> OpenError {
    match source {
        rusqlite_migration::Error::RusqliteError { err, .. }
            if matches!(
                err.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) =>
        {
            OpenError::of_sqlite(path, err)
        }
        source => OpenError::Migration {
            path: path.to_owned(),
            source,
        },
    }
}
