//! The check of a file, without a daemon.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use vmapi_types::CheckReport;

use super::{Findings, Live, integrity, look_at_records};
use crate::store::files::{LOG, beside};
use crate::store::open::{self, BUSY_TIMEOUT, SQLITE_MAGIC};
use crate::store::{OpenError, StoreError, schema};

/// Looks whether the database in a file is sound. Nothing of it is changed. No daemon can start on it meanwhile; one that has it
/// already goes on. Blocks.
///
/// # Errors
/// When there is no such file, or it can't be read. Damage is not an error, whatever there is of it.
pub fn check_file(path: &Path) -> Result<CheckReport, OpenError> {
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing {
            path: path.to_owned(),
        },
        _ => OpenError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let mut file = File::open(path).map_err(io_error)?;
    if !file.metadata().map_err(io_error)?.is_file() {
        return Err(io_error(io::Error::other("it is not a file")));
    }
    // Held until the connection is closed: closing it drops SQLite's locks.
    let is_served = match file.try_lock() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(source)) => return Err(io_error(source)),
    };
    let mut start = Vec::new();
    file.by_ref()
        .take(SQLITE_MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(io_error)?;
    let mut findings = Findings::default();
    let problem = if start.is_empty() {
        Some("the file is empty: there is no database in it")
    } else if start != SQLITE_MAGIC {
        Some(
            "the file does not begin as an SQLite database does: its first page is damaged, or it never was one",
        )
    } else {
        None
    };
    if let Some(problem) = problem {
        findings.problems.push(problem.into());
        return Ok(findings.into_report());
    }
    let real_path = path.canonicalize().map_err(io_error)?;
    let reading = ReadOnly::open(&real_path, is_served)?;
    let looked = look(&reading.connection, path, is_served, &mut findings);
    drop(reading);
    drop(file);
    looked.map_err(|error| OpenError::Unreadable {
        path: path.to_owned(),
        source: Box::new(error),
    })?;
    Ok(findings.into_report())
}

fn look(
    connection: &Connection,
    path: &Path,
    is_served: bool,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let version = match open::check_owner(path, connection) {
        Ok(version) => version,
        // What SQLite says of it may be that it is busy.
        Err(OpenError::Sqlite { source, .. }) => {
            return findings.rule("the first page", |_| Err(source.into()));
        }
        Err(error) => {
            findings.problems.push(error.to_string());
            return Ok(());
        }
    };
    let none = std::collections::HashSet::new;
    let live = if is_served {
        Live::Unknown
    } else {
        Live::Known(&none)
    };
    integrity(connection, findings)?;
    if version == schema::version() {
        return look_at_records(connection, &live, findings);
    }
    match migrated(connection) {
        Ok(copy) => look_at_records(&copy.1, &live, findings),
        Err(reason) => {
            findings.problems.push(format!(
                "the schema can't be brought from version {version} up to date: {reason}"
            ));
            Ok(())
        }
    }
}

/// A copy of an older database with the newest schema, and the directory that it is in.
fn migrated(connection: &Connection) -> Result<(tempfile::TempDir, Connection), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copied = || -> rusqlite::Result<Connection> {
        let mut copy = Connection::open(directory.path().join("copy.db"))?;
        let backup = Backup::new(connection, &mut copy)?;
        // All of it in one step.
        backup.step(-1)?;
        drop(backup);
        Ok(copy)
    };
    let mut copy = copied().map_err(|error| error.to_string())?;
    schema::migrations()
        .to_latest(&mut copy)
        .map_err(|error| error.to_string())?;
    Ok((directory, copy))
}

/// A connection that changes nothing, and the file that SQLite may have to make for it.
struct ReadOnly {
    connection: Connection,
    made: Option<PathBuf>,
}

impl ReadOnly {
    fn open(path: &Path, is_served: bool) -> Result<Self, OpenError> {
        let has_log = std::fs::metadata(beside(path, LOG)).is_ok_and(|log| log.len() > 0);
        let index = beside(path, "-shm");
        // What is not in use and has no log is all in the file, and nothing needs to stand beside it.
        let (mode, made) = if is_served || has_log {
            let is_new = !is_served && !index.exists();
            ("mode=ro", is_new.then_some(index))
        } else {
            ("mode=ro&immutable=1", None)
        };
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_URI
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(uri(path, mode), flags)?;
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
