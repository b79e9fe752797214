//! The log of an execution: its events, numbered from 1 without a gap.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{Event, EventType};
use vmcontrol::store::{EVENT_BYTES, EventBatch, Portion};

use crate::error::DbError;
use crate::listing::size_of_value;
use crate::record::{LeftOut, Record};

/// Appends a batch to the log of its execution.
///
/// # Errors
/// [`DbError::Unreachable`] when the record or an event before the batch is missing, since its
/// write failed.
pub(crate) fn append(connection: &Connection, batch: &EventBatch) -> Result<(), DbError> {
    let Some(first) = batch.events.first() else {
        return Ok(());
    };
    let (number, last): (i64, u64) = connection
        .prepare_cached(
            "SELECT n, coalesce((SELECT max(seq) FROM event WHERE execution_n = n), 0)
             FROM execution WHERE id = ?",
        )?
        .query_row([batch.execution_id.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?
        .ok_or_else(unwritten_record)?;
    if first.seq != last + 1 {
        return Err(DbError::Unreachable(format!(
            "the execution's events after number {last} could not be written"
        )));
    }
    insert(connection, number, &batch.events)
}

/// The error for an execution without a record: the write of the record failed.
pub(crate) fn unwritten_record() -> DbError {
    DbError::Unreachable("the execution's record could not be written".into())
}

/// Adds events to the execution with a number. The caller makes sure that the log has no gap.
pub(crate) fn insert(
    connection: &Connection,
    number: i64,
    events: &[Event],
) -> Result<(), DbError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (execution_n, seq, ts, type, payload) VALUES (?, ?, ?, ?, ?)",
    )?;
    for event in events {
        insert.execute(params![
            number,
            event.seq,
            event.ts.as_micros(),
            event.kind.as_str(),
            event.payload.get(),
        ])?;
    }
    Ok(())
}

/// The events of an execution with a `seq` above `after_seq`, in order: at most `limit` and at most
/// `max_bytes`. Unreadable ones are left out and don't count.
pub(crate) fn list(
    connection: &Connection,
    execution_id: Uuid,
    after_seq: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<Portion<Event>, DbError> {
    // The statement has no limit, since rows that are left out don't count.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM event
         WHERE execution_n = (SELECT n FROM execution WHERE id = ?) AND seq > ? ORDER BY seq"
    ))?;
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![execution_id.to_string(), after])?;
    let mut portion = Portion::default();
    let mut left_out = LeftOut::default();
    while let Some(row) = rows.next()? {
        let bytes = EVENT_BYTES + size_of_value(row.get_ref(3)?);
        if !portion.has_room(bytes, limit, max_bytes) {
            break;
        }
        let event = left_out.readable(event_of(row, execution_id))?;
        portion.items.extend(event);
    }
    Ok(portion)
}

/// The columns of an event, as [`event_of`] reads them.
pub(crate) const COLUMNS: &str = "seq, ts, type, payload";

/// Decodes an event of an execution.
pub(crate) fn event_of(row: &Row<'_>, execution_id: Uuid) -> Result<Event, DbError> {
    let record = Record::owned("event", row, execution_id);
    Ok(Event {
        execution_id,
        seq: record.get(0)?,
        ts: record.time(1)?,
        kind: record.parsed(2, EventType::from_name)?,
        payload: record.json(3)?,
    })
}
