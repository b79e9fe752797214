//! The old database. It is read in a copy, so that no file of it changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use rusqlite::Connection;
use tempfile::TempDir;

use super::ImportError;
use crate::connection::open_read_write;
use crate::files::{JOURNAL, WAL, beside};
use crate::identity::{SQLITE_MAGIC, is_of_go_service};
use crate::record::shown;

/// The first of the bytes that readers of an SQLite database lock, and the number of these bytes.
/// <https://www.sqlite.org/fileformat2.html#the_lock_byte_page>
const SHARED_LOCKS: (libc::off_t, libc::off_t) = (0x4000_0002, 510);

/// A copy of the old database.
pub(super) struct Source {
    pub(super) connection: Connection,
    _directory: TempDir,
}

impl Source {
    /// Copies the database with the files beside it, and opens the copy.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |reason: String| ImportError::Source {
            path: path.to_owned(),
            reason,
        };
        let (connection, directory) = copy(path).map_err(|error| failed(error.to_string()))?;
        let is_known = is_of_go_service(&connection);
        if !is_known.map_err(|error| failed(error.to_string()))? {
            return Err(failed(
                "it is not a database of the Go service, which has the tables vm and vm_session"
                    .into(),
            ));
        }
        Ok(Self {
            connection,
            _directory: directory,
        })
    }

    /// The columns of a table; none if the table does not exist.
    pub(super) fn columns(&self, table: &str) -> rusqlite::Result<Vec<String>> {
        let mut columns = self
            .connection
            .prepare("SELECT name FROM pragma_table_info(?)")?;
        let names = columns.query_map([table], |row| row.get(0))?;
        names.collect()
    }
}

fn copy(path: &Path) -> io::Result<(Connection, TempDir)> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut start = [0; SQLITE_MAGIC.len()];
    file.read_exact(&mut start)
        .ok()
        .filter(|()| start == *SQLITE_MAGIC)
        .ok_or_else(|| io::Error::other("it is not an SQLite database"))?;
    // No program writes to the file while this lock is held.
    lock_for_reading(&file)?;
    let path = path.canonicalize()?;
    let directory = tempfile::Builder::new()
        .prefix("vm-system-import-")
        .tempdir()?;
    let target = directory.path().join("old.db");
    // A rollback journal undoes an unfinished transaction, and a WAL has the last commits.
    for ending in ["", WAL, JOURNAL] {
        match std::fs::copy(beside(&path, ending), beside(&target, ending)) {
            Ok(_) => make_writable(&beside(&target, ending))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !ending.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    drop(file);
    let connection = open_read_write(&target).map_err(io::Error::other)?;
    Ok((connection, directory))
}

/// Lets the owner write to a copy, which has the mode of the original.
fn make_writable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Takes the lock that SQLite's readers take, until the file is closed.
///
/// # Errors
/// When the service that has made the database has it open, and may be writing to it.
fn lock_for_reading(file: &File) -> io::Result<()> {
    let (start, length) = SHARED_LOCKS;
    let lock = |kind: libc::c_int| libc::flock {
        l_type: kind
            .try_into()
            .expect("the types of locks are small numbers"),
        l_whence: libc::SEEK_SET
            .try_into()
            .expect("SEEK_SET is a small number"),
        l_start: start,
        l_len: length,
        l_pid: 0,
    };
    // A program that has the database open with a WAL holds such a lock.
    let mut found = lock(libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    if libc::c_int::from(found.l_type) != libc::F_UNLCK {
        let holder = match found.l_pid {
            pid if pid > 0 => format!("the process {pid}"),
            _ => "another process".into(),
        };
        return Err(io::Error::other(format!(
            "{holder} has it open: stop the old service first"
        )));
    }
    let locked = fcntl(file, FcntlArg::F_OFD_SETLK(&lock(libc::F_RDLCK)));
    locked.map(drop).map_err(|error| match error {
        Errno::EAGAIN | Errno::EACCES => {
            io::Error::other("it is being written: stop the old service first")
        }
        error => error.into(),
    })
}

/// A name, quoted for SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text of the old database, in a form that a line of the report can have.
pub(super) fn shown_name(text: &str) -> String {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        shown(text)
    } else {
        text.to_owned()
    }
}
