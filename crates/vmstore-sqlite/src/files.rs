//! The check whether the open files are still those that the next start will open.
//!
//! What is written to a file that was removed or replaced is lost without an error. So before a
//! write is answered, the names of the files are resolved: they must still lead to the files that
//! were opened.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::error::DbError;
use vmcontrol::FileId;

/// The database file and its WAL, as they were opened.
pub(crate) struct Files {
    /// Each path with the id of its file; `None` until the file exists. The first write makes the
    /// WAL.
    all: [(PathBuf, Option<FileId>); 2],
}

impl Files {
    /// The files of a database that is open.
    pub(crate) fn of(database: &Path) -> Self {
        let all = [database.to_owned(), beside(database, WAL)].map(|path| {
            let id = FileId::at(&path).ok();
            (path, id)
        });
        Self { all }
    }

    /// Makes sure that the names lead to the files that were opened. The WAL must exist once
    /// something was committed.
    ///
    /// # Errors
    /// [`DbError::Unreachable`] with the path that leads elsewhere.
    pub(crate) fn check(&mut self, has_committed: bool) -> Result<(), DbError> {
        for (path, known) in &mut self.all {
            let found = FileId::at(path).ok();
            match (&known, found) {
                (None, Some(_)) => *known = found,
                (None, None) if !has_committed => {}
                (Some(known), Some(found)) if *known == found => {}
                _ => {
                    return Err(DbError::Unreachable(format!(
                        "{} is not the file any more that this daemon has opened: put it back, \
                         or restart the daemon",
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The length of a file, in bytes. The file system is asked for nothing else, see [`FileId`].
pub(crate) fn length_of(file: &File) -> io::Result<u64> {
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?;
    Ok(found.stx_size)
}

/// The ending of the name of a database's WAL.
pub(crate) const WAL: &str = "-wal";

/// The ending of the name of the index of a WAL.
pub(crate) const WAL_INDEX: &str = "-shm";

/// The ending of the name of a rollback journal.
pub(crate) const JOURNAL: &str = "-journal";

/// The path of the file with an ending that SQLite keeps beside a database.
pub(crate) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
