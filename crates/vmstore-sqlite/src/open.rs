//! Opening a database: whose it is, its settings and its schema.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::OpenError;
use crate::lock::DatabaseLock;
use crate::wal::{self, KEPT_BYTES};
use crate::{import, schema};

/// Marks a database as vm-system's in the header field that SQLite has for that: the bytes `vmSy`.
pub(crate) const APPLICATION_ID: i64 = 0x766d_5379;

/// The first bytes of every SQLite database.
pub(crate) const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long a statement waits for a lock, which only another program can hold: a backup tool,
/// `sqlite3`.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the connection that writes, on a database of this program or an empty one.
pub(crate) fn writer(path: &Path, lock: &DatabaseLock) -> Result<Connection, OpenError> {
    check_header(path, lock)?;
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|source| sqlite_error(path, source))?;
    prepare(path, &mut connection)?;
    Ok(connection)
}

/// Opens the connection that checkpoints the WAL.
pub(crate) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        // It waits for no lock: what can't be moved now is moved by the next checkpoint.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    open().map_err(|source| sqlite_error(path, source))
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|source| sqlite_error(path, source))
}

/// Reads the start of the file before SQLite does, whose message about a foreign file is less
/// clear. It is read through the lock's descriptor, since closing another one would drop SQLite's
/// locks.
fn check_header(path: &Path, lock: &DatabaseLock) -> Result<(), OpenError> {
    let mut file = lock.file();
    let mut header = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.take(16).read_to_end(&mut header))
        .map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
    // A loss of power while the file was made may leave nothing but zeros, which SQLite repairs.
    if header.iter().all(|byte| *byte == 0) || header == SQLITE_MAGIC {
        Ok(())
    } else {
        Err(OpenError::NotADatabase {
            path: path.to_owned(),
        })
    }
}

/// Checks whose database it is, sets it up and brings its schema up to date.
fn prepare(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    check_owner(path, connection)?;
    configure(connection).map_err(|source| sqlite_error(path, source))?;
    schema::migrations()
        .to_latest(connection)
        .map_err(|source| migration_error(path, source))?;
    let missing = schema::missing(connection).map_err(|source| sqlite_error(path, source))?;
    if missing.is_empty() {
        Ok(())
    } else {
        Err(OpenError::Incomplete {
            path: path.to_owned(),
            missing,
        })
    }
}

/// Refuses another program's database and one with a newer schema; returns the version of the
/// schema, which is 0 for a new database.
pub(crate) fn check_owner(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let look = || -> rusqlite::Result<(i64, i64, i64)> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let objects =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, objects))
    };
    let (application, version, objects) = look().map_err(|source| sqlite_error(path, source))?;
    let is_new = application == 0 && version == 0 && objects == 0;
    let known = schema::version();
    let path = path.to_owned();
    if application == APPLICATION_ID && version > known {
        Err(OpenError::NewerSchema {
            path,
            found: version,
            known,
        })
    } else if application == APPLICATION_ID || is_new {
        Ok(version)
    } else if import::is_of_go_service(connection).map_err(|source| sqlite_error(&path, source))? {
        let real_path = path.canonicalize().unwrap_or_else(|_| path.clone());
        Err(OpenError::GoService { path, real_path })
    } else {
        Err(OpenError::ForeignDatabase { path })
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // SQLite's own hook, which would checkpoint the WAL, makes room for this crate's.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    wal::count_frames(connection);
    connection.pragma_update(None, "journal_size_limit", KEPT_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn sqlite_error(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::ReadOnly { path }
        }
        _ => OpenError::Sqlite { path, source },
    }
}

fn migration_error(path: &Path, source: rusqlite_migration::Error) -> OpenError {
    match source {
        rusqlite_migration::Error::RusqliteError { err, .. }
            if matches!(
                err.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) =>
        {
            sqlite_error(path, err)
        }
        source => OpenError::Migration {
            path: path.to_owned(),
            source,
        },
    }
}
