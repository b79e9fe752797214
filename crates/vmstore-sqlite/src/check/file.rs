//! The check of a file, without a daemon.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use vmapi_types::CheckReport;

use super::{Findings, Running, check_records, integrity};
use crate::error::{DbError, OpenError};
use crate::identity::{SQLITE_MAGIC, check_owner};
use crate::read_only::ReadOnly;
use crate::schema;

/// Checks the database in a file, and changes no file. Meanwhile no daemon can start on the
/// database; a daemon that has it open goes on. Blocks.
///
/// # Errors
/// When the file does not exist or can't be read. Damage is never an error but a part of the
/// report.
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
    // The file is open until the connection is closed: closing it drops SQLite's locks.
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
    let checked = check(&reading.connection, path, is_served, &mut findings);
    drop(reading);
    drop(file);
    checked.map_err(|error| OpenError::Unreadable {
        path: path.to_owned(),
        source: error.into(),
    })?;
    Ok(findings.into_report())
}

fn check(
    connection: &Connection,
    path: &Path,
    is_served: bool,
    findings: &mut Findings,
) -> Result<(), DbError> {
    let version = match check_owner(path, connection) {
        Ok(version) => version,
        // If SQLite reports that the database is busy, that is an error and not a problem.
        Err(OpenError::Sqlite { source, .. }) => {
            return findings.rule("the first page", |_| Err(source.into()));
        }
        Err(error) => {
            findings.problems.push(error.to_string());
            return Ok(());
        }
    };
    let none = std::collections::HashSet::new;
    let running = if is_served {
        Running::Unknown
    } else {
        Running::Known(&none)
    };
    integrity(connection, findings)?;
    if version == schema::version() {
        return check_records(connection, &running, findings);
    }
    match migrated(connection) {
        Ok(copy) => check_records(&copy.1, &running, findings),
        Err(reason) => {
            findings.problems.push(format!(
                "the schema can't be brought from version {version} up to date: {reason}"
            ));
            Ok(())
        }
    }
}

/// A copy of an older database, with the newest schema, and the directory of the copy.
fn migrated(connection: &Connection) -> Result<(tempfile::TempDir, Connection), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let copied = || -> rusqlite::Result<Connection> {
        let mut copy = Connection::open(directory.path().join("copy.db"))?;
        let backup = Backup::new(connection, &mut copy)?;
        // The whole database is copied in one step.
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
