//! Copies of the database, its size, and `VACUUM`.

use std::fs::File;
use std::path::Path;

use nix::sys::statvfs::fstatvfs;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use vmapi_types::Vacuumed;

use crate::error::DbError;
use crate::wal::KEPT_BYTES;

/// The room that a copy leaves on the disk for the writes that go on meanwhile, in bytes.
const LEFT_FREE: u64 = KEPT_BYTES;

/// The number of pages that are copied between two checks whether the copy is still wanted.
const COPY_PAGES: std::ffi::c_int = 2000;

/// Makes a copy of the database as of one moment, while writes go on. The copy is on the disk of
/// the database but has no name: no other program can open it, and it is deleted when the file is
/// closed.
///
/// # Errors
/// [`DbError::Unreachable`] when the disk has no room for the copy, or it is not wanted any more.
pub(crate) fn back_up(
    connection: &Connection,
    database: &Path,
    is_wanted: &dyn Fn() -> bool,
) -> Result<File, DbError> {
    let failed = |error: std::io::Error| {
        DbError::Unreachable(format!("no copy can be made beside the database: {error}"))
    };
    let directory = database.parent().unwrap_or(database);
    let (file, path) = tempfile::Builder::new()
        .prefix(".vm-system-copy-")
        .tempfile_in(directory)
        .map_err(failed)?
        .into_parts();
    let mut copy = Connection::open(&path)?;
    path.close().map_err(failed)?;
    // An unfinished copy is deleted, so it needs no journal.
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    // The transaction reads the database as of its first query.
    let transaction = connection.unchecked_transaction()?;
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let whole = size(&transaction)?;
    leave_room(&file, whole)?;
    let backup = Backup::new(&transaction, &mut copy)?;
    loop {
        match backup.step(COPY_PAGES)? {
            StepResult::Done => break,
            // Other programs may fill the disk meanwhile.
            StepResult::More if is_wanted() => leave_room(&file, 0)?,
            StepResult::More => {
                return Err(DbError::Unreachable(
                    "the copy is not wanted any more".into(),
                ));
            }
            other => {
                return Err(DbError::Unreachable(format!(
                    "the database can't be copied now: {other:?}"
                )));
            }
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)?;
    Ok(file)
}

/// Fails when the disk of a copy has no room for `bytes` more and for what is written meanwhile.
fn leave_room(copy: &File, bytes: u64) -> Result<(), DbError> {
    let disk = fstatvfs(copy).map_err(|error| DbError::Unreachable(error.to_string()))?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free >= bytes.saturating_add(LEFT_FREE) {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    Err(DbError::Unreachable(format!(
        "a copy is made beside the database first, and there is no room for it: \
         {} MB are free, and {} MB are needed",
        megabytes(free),
        megabytes(bytes.saturating_add(LEFT_FREE)),
    )))
}

/// The size of the database, in bytes.
fn size(connection: &Connection) -> Result<u64, DbError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok(number("page_count")? * number("page_size")?)
}

/// Writes the database again without the room of removed rows. Must not be called in a transaction.
pub(crate) fn vacuum(connection: &Connection) -> Result<Vacuumed, DbError> {
    let bytes_before = size(connection)?;
    let written = connection.execute_batch("VACUUM");
    // The WAL has the new database now, or the part for which the disk had room. This checkpoint
    // gives the room back. A reader may prevent it; then the checkpoints after later commits do it.
    let checkpointed = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    written.and(checkpointed)?;
    Ok(Vacuumed {
        bytes_before,
        bytes_after: size(connection)?,
    })
}
