//! What keeps a database small and sound.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use vmapi_types::{CheckReport, Timestamp, Vacuumed};

use super::StoreError;

/// How many problems of a kind are told.
const MAX_PROBLEMS: usize = 100;

/// Some of what is to go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Portion {
    /// How many rows went, or would go.
    pub(crate) rows: u64,
    /// How many events with them.
    pub(crate) events: u64,
    /// Where to go on; nothing when that was all.
    pub(crate) next: Option<i64>,
}

/// Looks at the next `limit` executions after number `after` that began before a moment, and removes those that ended before
/// it; with `dry_run` counts them, but for those of sessions that ended before `sessions_before`, which would go with those.
/// The numbers ascend with the time, so that the rest need not be looked at.
pub(crate) fn prune_executions(
    connection: &Connection,
    before: Timestamp,
    sessions_before: Option<Timestamp>,
    after: i64,
    limit: u32,
    dry_run: bool,
) -> Result<Portion, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT n, ended_at < ?1 AND status <> 'running' AND NOT EXISTS (
             SELECT 1 FROM session WHERE session.id = session_id AND closed_at < ?4
             AND session.status IN ('closed', 'crashed')
         ) FROM execution WHERE n > ?2 AND started_at < ?1 ORDER BY n LIMIT ?3",
    )?;
    let ended = sessions_before.map_or(i64::MIN, Timestamp::as_micros);
    let found = find.query_map((before.as_micros(), after, limit, ended), |row| {
        Ok((row.get(0)?, row.get::<_, Option<bool>>(1)?))
    })?;
    let found = found.collect::<Result<Vec<(i64, Option<bool>)>, _>>()?;
    let is_last = found.len() < limit as usize;
    let mut portion = Portion {
        next: found.last().map(|(number, _)| *number).filter(|_| !is_last),
        ..Portion::default()
    };
    for (number, is_over) in found {
        if is_over == Some(true) {
            portion.rows += 1;
            portion.events += remove_execution(connection, number, dry_run)?;
        }
    }
    Ok(portion)
}

/// The numbers of the next `limit` sessions after number `after` that ended before a moment.
pub(crate) fn ended_sessions(
    connection: &Connection,
    before: Timestamp,
    after: i64,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT n FROM session WHERE n > ? AND closed_at < ? AND status IN ('closed', 'crashed')
         ORDER BY n LIMIT ?",
    )?;
    let found = find.query_map((after, before.as_micros(), limit), |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Removes some executions of a session, and the session itself with the last of them; with `dry_run` counts them all.
pub(crate) fn prune_session(
    connection: &Connection,
    session: i64,
    limit: u32,
    dry_run: bool,
) -> Result<Portion, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT execution.n FROM execution JOIN session ON session.id = session_id
         WHERE session.n = ? ORDER BY execution.n LIMIT ?",
    )?;
    let limit = if dry_run { u32::MAX } else { limit };
    let found = find.query_map((session, limit), |row| row.get(0))?;
    let found = found.collect::<Result<Vec<i64>, _>>()?;
    let mut portion = Portion {
        rows: found.len() as u64,
        ..Portion::default()
    };
    for number in &found {
        portion.events += remove_execution(connection, *number, dry_run)?;
    }
    if found.len() == limit as usize {
        portion.next = Some(session);
    } else if !dry_run {
        connection
            .prepare_cached("DELETE FROM session WHERE n = ?")?
            .execute([session])?;
    }
    Ok(portion)
}

/// Removes an execution; gives the number of its events.
fn remove_execution(
    connection: &Connection,
    number: i64,
    dry_run: bool,
) -> Result<u64, StoreError> {
    if dry_run {
        let count = connection
            .prepare_cached("SELECT count(*) FROM event WHERE execution_n = ?")?
            .query_row([number], |row| row.get(0))?;
        return Ok(count);
    }
    let events = connection
        .prepare_cached("DELETE FROM event WHERE execution_n = ?")?
        .execute([number])?;
    connection
        .prepare_cached("DELETE FROM execution WHERE n = ?")?
        .execute([number])?;
    Ok(events as u64)
}

/// Writes a copy of the database as it is at one moment, while others go on writing.
pub(crate) fn back_up(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open(path)?;
    let backup = Backup::new(connection, &mut copy)?;
    // All pages in one step: they are of one moment, and in this mode nobody waits for it.
    backup.step(-1)?;
    Ok(())
}

/// Looks for damage, and for what no execution can have.
pub(crate) fn check(connection: &Connection) -> Result<CheckReport, StoreError> {
    let mut problems = Vec::new();
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
    for said in statement.query_map([], |row| row.get::<_, String>(0))? {
        let said = said?;
        if said != "ok" {
            problems.push(said);
        }
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    for table in rows.take(MAX_PROBLEMS) {
        problems.push(format!("a row of {} belongs to nothing", table?));
    }
    let rules = [
        (
            "its events are not numbered from 1 without a gap",
            "SELECT id FROM execution JOIN (SELECT execution_n, count(*) AS events, min(seq) AS first, max(seq) AS last
             FROM event GROUP BY execution_n) ON execution_n = n WHERE first <> 1 OR last <> events",
        ),
        (
            "it has another number of events than its record says",
            "SELECT id FROM execution WHERE status <> 'running' AND json_extract(metrics, '$.events') <>
             (SELECT count(*) FROM event WHERE execution_n = n)",
        ),
        (
            "it has ended, and its record does not say when",
            "SELECT id FROM execution WHERE status <> 'running' AND ended_at IS NULL",
        ),
        (
            "it runs in a session that has ended",
            "SELECT execution.id FROM execution JOIN session ON session.id = session_id
             WHERE execution.status = 'running' AND session.status IN ('closed', 'crashed')",
        ),
    ];
    for (problem, sql) in rules {
        let mut statement = connection.prepare(&format!("{sql} LIMIT {MAX_PROBLEMS}"))?;
        for id in statement.query_map([], |row| row.get::<_, String>(0))? {
            problems.push(format!("execution {}: {problem}", id?));
        }
    }
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get::<_, u64>(0))
    };
    Ok(CheckReport {
        ok: problems.is_empty(),
        problems,
        executions: count("execution")?,
        events: count("event")?,
    })
}

/// The size of the database, in bytes.
pub(crate) fn size(connection: &Connection) -> Result<u64, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    Ok(number("page_count")? * number("page_size")?)
}

/// Writes the database anew, without what was removed. To be called outside a transaction.
pub(crate) fn vacuum(connection: &Connection) -> Result<Vacuumed, StoreError> {
    let bytes_before = size(connection)?;
    connection.execute_batch("VACUUM")?;
    Ok(Vacuumed {
        bytes_before,
        bytes_after: size(connection)?,
    })
}
