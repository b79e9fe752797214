//! What keeps a database small and sound.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::fstatvfs;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension};
use vmapi_types::{Timestamp, Vacuumed};

use super::StoreError;
use super::checkpointer::KEPT_BYTES;

/// How many events of an execution go at once.
const STEP_EVENTS: u64 = 32;

/// What stays free on the disk while the database is copied, in bytes: others go on writing.
const LEFT_FREE: u64 = KEPT_BYTES;

/// How many pages are copied before somebody may say that it is enough.
const COPY_PAGES: std::ffi::c_int = 2000;

/// Executions that are to go, and where to look on.
#[derive(Debug, Default)]
pub(crate) struct Old {
    /// Their numbers.
    pub(crate) numbers: Vec<i64>,
    /// The number after which there may be more.
    pub(crate) next: Option<i64>,
}

/// What went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gone {
    /// How many executions were dealt with, whether they went or not.
    pub(crate) dealt_with: usize,
    pub(crate) executions: u64,
    pub(crate) events: u64,
}

/// Which of the next `limit` executions after number `after` ended before a moment; those of sessions that ended before
/// `sessions_before` are left out. Executions begin in the order of their numbers, and end after they began: when all of them
/// began later the search is over. One of them says nothing, since a clock that was wrong for a while may have dated it.
pub(crate) fn old_executions(
    connection: &Connection,
    before: Timestamp,
    sessions_before: Option<Timestamp>,
    after: i64,
    limit: u32,
) -> Result<Old, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT n, started_at, coalesce(ended_at < ?1, false) AND status <> 'running' AND NOT EXISTS (
             SELECT 1 FROM session WHERE session.id = session_id AND closed_at < ?4
             AND session.status IN ('closed', 'crashed')
         ) FROM execution WHERE n > ?2 ORDER BY n LIMIT ?3",
    )?;
    let before = before.as_micros();
    let ended = sessions_before.map_or(i64::MIN, Timestamp::as_micros);
    let mut old = Old::default();
    let (mut looked_at, mut any_began_earlier) = (0, false);
    let now = Timestamp::now().as_micros();
    let mut rows = find.query((before, after, limit, ended))?;
    while let Some(row) = rows.next()? {
        let (number, started): (i64, i64) = (row.get(0)?, row.get(1)?);
        any_began_earlier |= started < before || started > now;
        if row.get(2)? {
            old.numbers.push(number);
        }
        looked_at += 1;
        old.next = Some(number);
    }
    if looked_at < limit || !any_began_earlier {
        old.next = None;
    }
    Ok(old)
}

/// The numbers of the next `limit` sessions after number `after` that ended before a moment, with nothing left to end in them.
pub(crate) fn old_sessions(
    connection: &Connection,
    before: Timestamp,
    after: i64,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT n FROM session WHERE n > ? AND closed_at < ? AND status IN ('closed', 'crashed') AND NOT EXISTS (
             SELECT 1 FROM execution WHERE session_id = session.id AND execution.status = 'running'
         ) ORDER BY n LIMIT ?",
    )?;
    let found = find.query_map((after, before.as_micros(), limit), |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The numbers of the executions of a session after number `after`, at most `limit`.
pub(crate) fn executions_of(
    connection: &Connection,
    session: i64,
    after: i64,
    limit: u32,
) -> Result<Old, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT execution.n FROM execution JOIN session ON session.id = session_id
         WHERE session.n = ? AND execution.n > ? ORDER BY execution.n LIMIT ?",
    )?;
    let found = find.query_map((session, after, limit), |row| row.get(0))?;
    let numbers = found.collect::<Result<Vec<i64>, _>>()?;
    let is_last = numbers.len() < limit as usize;
    Ok(Old {
        next: numbers.last().copied().filter(|_| !is_last),
        numbers,
    })
}

/// How many events executions have.
pub(crate) fn count_events(connection: &Connection, numbers: &[i64]) -> Result<u64, StoreError> {
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM event WHERE execution_n = ?")?;
    let mut events = 0;
    for number in numbers {
        events += count.query_row([number], |row| row.get::<_, u64>(0))?;
    }
    Ok(events)
}

/// Removes executions with their events for that long, and then those of one step; what runs stays. Of an execution the last
/// events go first, and its record with the first of them.
pub(crate) fn remove_executions(
    connection: &Connection,
    numbers: &[i64],
    for_about: Duration,
) -> Result<Gone, StoreError> {
    let begun = Instant::now();
    let mut gone = Gone::default();
    for number in numbers {
        let is_running: Option<bool> = connection
            .prepare_cached("SELECT status = 'running' FROM execution WHERE n = ?")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        if is_running == Some(false) {
            let mut left = last_event(connection, *number)?;
            while left.is_some() {
                gone.events += remove_last_events(connection, *number)?;
                left = last_event(connection, *number)?;
                if left.is_some() && begun.elapsed() >= for_about {
                    break;
                }
            }
            if let Some(left) = left {
                // What is left of it is as its record says, whatever happens before the next portion.
                connection
                    .prepare_cached(
                        "UPDATE execution SET metrics =
                         json_set(CASE WHEN json_valid(metrics) THEN metrics ELSE '{}' END, '$.events', ?) WHERE n = ?",
                    )?
                    .execute((left, number))?;
                break;
            }
            gone.executions += connection
                .prepare_cached("DELETE FROM execution WHERE n = ?")?
                .execute([number])? as u64;
        }
        gone.dealt_with += 1;
        if begun.elapsed() >= for_about {
            break;
        }
    }
    Ok(gone)
}

/// The number of the last event of an execution, if there is one.
fn last_event(connection: &Connection, execution: i64) -> Result<Option<u64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT max(seq) FROM event WHERE execution_n = ?")?
        .query_row([execution], |row| row.get(0))?)
}

/// Removes some events of an execution; returns how many.
fn remove_last_events(connection: &Connection, execution: i64) -> Result<u64, StoreError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM event WHERE execution_n = ?1
             AND seq > (SELECT max(seq) FROM event WHERE execution_n = ?1) - ?2",
        )?
        .execute((execution, STEP_EVENTS))?;
    Ok(removed as u64)
}

/// Removes a session of which nothing is left; says whether it did.
pub(crate) fn remove_session(connection: &Connection, session: i64) -> Result<bool, StoreError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM session WHERE n = ? AND NOT EXISTS (SELECT 1 FROM execution WHERE session_id = session.id)",
        )?
        .execute([session])?;
    Ok(removed > 0)
}

/// Makes a copy of the database as it is at one moment, while others go on writing. It stands beside the database, since that
/// is where there is room for one, but has no name there: nobody else can open it, and it goes away with the file.
pub(crate) fn back_up(
    connection: &Connection,
    database: &Path,
    is_wanted: &dyn Fn() -> bool,
) -> Result<File, StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::Unreachable(format!("no copy can be made beside the database: {error}"))
    };
    let directory = database.parent().unwrap_or(database);
    let (file, path) = tempfile::Builder::new()
        .prefix(".vm-system-copy-")
        .tempfile_in(directory)
        .map_err(failed)?
        .into_parts();
    let mut copy = Connection::open(&path)?;
    path.close().map_err(failed)?;
    // It is thrown away if it does not become whole.
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    // As long as this goes on, what is read is of one moment.
    let transaction = connection.unchecked_transaction()?;
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let whole = size(&transaction)?;
    leave_room(&file, whole)?;
    let backup = Backup::new(&transaction, &mut copy)?;
    loop {
        match backup.step(COPY_PAGES)? {
            StepResult::Done => break,
            // Others may fill the disk meanwhile, too.
            StepResult::More if is_wanted() => leave_room(&file, 0)?,
            StepResult::More => {
                return Err(StoreError::Unreachable(
                    "the copy is not wanted any more".into(),
                ));
            }
            other => {
                return Err(StoreError::Unreachable(format!(
                    "the database can't be copied now: {other:?}"
                )));
            }
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)?;
    Ok(file)
}

/// Fails when the disk of a copy has no room for so many bytes more and for what others write meanwhile.
fn leave_room(copy: &File, bytes: u64) -> Result<(), StoreError> {
    let disk = fstatvfs(copy).map_err(|error| StoreError::Unreachable(error.to_string()))?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free >= bytes.saturating_add(LEFT_FREE) {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    Err(StoreError::Unreachable(format!(
        "a copy is made beside the database first, and there is no room for it: {} MB are free, and {} MB are needed",
        megabytes(free),
        megabytes(bytes.saturating_add(LEFT_FREE)),
    )))
}

/// The size of the database, in bytes.
pub(crate) fn size(connection: &Connection) -> Result<u64, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok(number("page_count")? * number("page_size")?)
}

/// Writes the database anew, without what was removed. To be called outside a transaction.
pub(crate) fn vacuum(connection: &Connection) -> Result<Vacuumed, StoreError> {
    let bytes_before = size(connection)?;
    let written = connection.execute_batch("VACUUM");
    // All of it stands in the log now, or as much as there was room for: the disk gets that back. Who reads meanwhile keeps it
    // there; the next commits carry it over then.
    let carried = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    written.and(carried)?;
    Ok(Vacuumed {
        bytes_before,
        bytes_after: size(connection)?,
    })
}
