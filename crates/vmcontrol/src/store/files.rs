//! Whether the files that are written to are those that the next start will find.
//!
//! A file that is removed or replaced while it is open takes everything that is written to it along, without an error. So
//! before something is answered, the names are looked up: they must still be those of the files that were opened.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags, statx};

use super::error::StoreError;
use crate::file_id::FileId;

/// The database and its log, as they were opened.
pub(super) struct Files {
    /// Each with its id, once it is there: the log is made by the first write.
    all: [(PathBuf, Option<FileId>); 2],
}

impl Files {
    /// Those of a database that is open.
    pub(super) fn of(database: &Path) -> Self {
        let all = [database.to_owned(), beside(database, LOG)].map(|path| {
            let id = FileId::at(&path).ok();
            (path, id)
        });
        Self { all }
    }

    /// Makes sure that all are in their place; the log, once something has been committed.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], naming the file that is not.
    pub(super) fn check(&mut self, has_committed: bool) -> Result<(), StoreError> {
        for (path, known) in &mut self.all {
            let found = FileId::at(path).ok();
            match (&known, found) {
                (None, Some(_)) => *known = found,
                (None, None) if !has_committed => {}
                (Some(known), Some(found)) if *known == found => {}
                _ => {
                    return Err(StoreError::Unreachable(format!(
                        "{} is not the file any more that this daemon has opened: put it back, or restart the daemon",
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }
}

/// How long a file is, in bytes; no more is asked for, see [`FileId`].
pub(super) fn length_of(file: &File) -> io::Result<u64> {
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?;
    Ok(found.stx_size)
}

/// What the name of a database's log ends with.
pub(super) const LOG: &str = "-wal";

/// The path of a file that SQLite keeps beside a database.
pub(super) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}
