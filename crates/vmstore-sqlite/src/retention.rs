//! Finding and removing expired records.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use vmapi_types::Timestamp;
use vmcontrol::store::{ExpiredExecutions, RecordNumber, RemovedExecutions};

use crate::error::DbError;

/// The number of events of an execution that are removed between two readings of the clock.
const STEP_EVENTS: u64 = 32;

/// Which of the next `limit` executions after `after` ended before `before`; those of sessions that
/// ended before `sessions_before` are left out.
///
/// Executions begin in the order of their numbers and end after they began, so the search is over
/// when all executions of a portion began later than `before`. A single one proves nothing, since
/// its time may come from a wrong clock.
pub(crate) fn expired_executions(
    connection: &Connection,
    before: Timestamp,
    sessions_before: Option<Timestamp>,
    after: RecordNumber,
    limit: u32,
) -> Result<ExpiredExecutions, DbError> {
    let mut find = connection.prepare_cached(
        "SELECT n, started_at, coalesce(ended_at < ?1, false) AND status <> 'running' AND NOT EXISTS (
             SELECT 1 FROM session WHERE session.id = session_id AND closed_at < ?4
             AND session.status IN ('closed', 'crashed')
         ) FROM execution WHERE n > ?2 ORDER BY n LIMIT ?3",
    )?;
    let before = before.as_micros();
    let ended = sessions_before.map_or(i64::MIN, Timestamp::as_micros);
    let mut expired = ExpiredExecutions::default();
    let (mut rows_read, mut any_began_earlier) = (0, false);
    let now = Timestamp::now().as_micros();
    let mut rows = find.query((before, after.0, limit, ended))?;
    while let Some(row) = rows.next()? {
        let (number, started): (i64, i64) = (row.get(0)?, row.get(1)?);
        any_began_earlier |= started < before || started > now;
        if row.get(2)? {
            expired.numbers.push(RecordNumber(number));
        }
        rows_read += 1;
        expired.next = Some(RecordNumber(number));
    }
    if rows_read < limit || !any_began_earlier {
        expired.next = None;
    }
    Ok(expired)
}

/// The next `limit` sessions after `after` that ended before `before` and have no running
/// execution.
pub(crate) fn expired_sessions(
    connection: &Connection,
    before: Timestamp,
    after: RecordNumber,
    limit: u32,
) -> Result<Vec<RecordNumber>, DbError> {
    let mut find = connection.prepare_cached(
        "SELECT n FROM session
         WHERE n > ? AND closed_at < ? AND status IN ('closed', 'crashed') AND NOT EXISTS (
             SELECT 1 FROM execution WHERE session_id = session.id AND execution.status = 'running'
         ) ORDER BY n LIMIT ?",
    )?;
    let before = before.as_micros();
    let found = find.query_map((after.0, before, limit), |row| row.get(0).map(RecordNumber))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The next `limit` executions of a session after `after`.
pub(crate) fn executions_of(
    connection: &Connection,
    session: RecordNumber,
    after: RecordNumber,
    limit: u32,
) -> Result<ExpiredExecutions, DbError> {
    let mut find = connection.prepare_cached(
        "SELECT execution.n FROM execution JOIN session ON session.id = session_id
         WHERE session.n = ? AND execution.n > ? ORDER BY execution.n LIMIT ?",
    )?;
    let found = find.query_map((session.0, after.0, limit), |row| {
        row.get(0).map(RecordNumber)
    })?;
    let numbers = found.collect::<Result<Vec<_>, _>>()?;
    let is_last = numbers.len() < limit as usize;
    Ok(ExpiredExecutions {
        next: numbers.last().copied().filter(|_| !is_last),
        numbers,
    })
}

/// How many events executions have together.
pub(crate) fn count_events(
    connection: &Connection,
    numbers: &[RecordNumber],
) -> Result<u64, DbError> {
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM event WHERE execution_n = ?")?;
    let mut events = 0;
    for number in numbers {
        events += count.query_row([number.0], |row| row.get::<_, u64>(0))?;
    }
    Ok(events)
}

/// Removes executions that are not running, with their events, until `duration` is over at the end
/// of a step. The last events of an execution are removed first, and the record with the first
/// event.
pub(crate) fn remove_executions(
    connection: &Connection,
    numbers: &[RecordNumber],
    duration: Duration,
) -> Result<RemovedExecutions, DbError> {
    let begun = Instant::now();
    let mut removed = RemovedExecutions::default();
    for RecordNumber(number) in numbers {
        let is_running: Option<bool> = connection
            .prepare_cached("SELECT status = 'running' FROM execution WHERE n = ?")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        if is_running == Some(false) {
            let mut left = last_event(connection, *number)?;
            while left.is_some() {
                removed.events += remove_last_events(connection, *number)?;
                left = last_event(connection, *number)?;
                if left.is_some() && begun.elapsed() >= duration {
                    break;
                }
            }
            if let Some(left) = left {
                // The record must be consistent with the events that are left: a crash may prevent
                // the next portion.
                connection
                    .prepare_cached(
                        "UPDATE execution SET metrics = json_set(
                             CASE WHEN json_valid(metrics) THEN metrics ELSE '{}' END, '$.events', ?
                         ) WHERE n = ?",
                    )?
                    .execute((left, number))?;
                break;
            }
            removed.executions += connection
                .prepare_cached("DELETE FROM execution WHERE n = ?")?
                .execute([number])? as u64;
        }
        removed.handled += 1;
        if begun.elapsed() >= duration {
            break;
        }
    }
    Ok(removed)
}

/// The number of the last event of an execution; `None` if it has none.
fn last_event(connection: &Connection, execution: i64) -> Result<Option<u64>, DbError> {
    Ok(connection
        .prepare_cached("SELECT max(seq) FROM event WHERE execution_n = ?")?
        .query_row([execution], |row| row.get(0))?)
}

/// Removes the last [`STEP_EVENTS`] events of an execution; returns how many were removed.
fn remove_last_events(connection: &Connection, execution: i64) -> Result<u64, DbError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM event WHERE execution_n = ?1
             AND seq > (SELECT max(seq) FROM event WHERE execution_n = ?1) - ?2",
        )?
        .execute((execution, STEP_EVENTS))?;
    Ok(removed as u64)
}

/// Removes a session that has no executions; returns whether it did.
pub(crate) fn remove_session(
    connection: &Connection,
    session: RecordNumber,
) -> Result<bool, DbError> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM session WHERE n = ?
             AND NOT EXISTS (SELECT 1 FROM execution WHERE session_id = session.id)",
        )?
        .execute([session.0])?;
    Ok(removed > 0)
}
