use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{Event, EventType};

use super::StoreError;
use super::page::{Portion, size_of_value};
use super::record::{LeftOut, Record};

/// Appends events of one execution.
///
/// # Errors
/// [`StoreError::Unreachable`] when what comes before them is not there, since writing it failed: a log has no gaps.
pub(crate) fn append(
    connection: &Connection,
    execution_id: Uuid,
    events: &[Event],
) -> Result<(), StoreError> {
    let Some(first) = events.first() else {
        return Ok(());
    };
    let (number, last): (i64, u64) = connection
        .prepare_cached(
            "SELECT n, coalesce((SELECT max(seq) FROM event WHERE execution_n = n), 0) FROM execution WHERE id = ?",
        )?
        .query_row([execution_id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| StoreError::Unreachable("the execution's record could not be written".into()))?;
    if first.seq != last + 1 {
        return Err(StoreError::Unreachable(format!(
            "the execution's events after number {last} could not be written"
        )));
    }
    insert(connection, number, events)
}

/// Appends events to the execution of that number, whatever its log has so far.
pub(super) fn insert(
    connection: &Connection,
    number: i64,
    events: &[Event],
) -> Result<(), StoreError> {
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

/// What an event takes beside its payload, in bytes: its record, and twice the allocator's own.
pub(crate) const EVENT_BYTES: usize = 200;

/// The events of an execution with a `seq` above `after_seq`, in order: at most `limit`, and no more bytes than that. Unreadable
/// ones are left out and do not count: an empty list is the end.
pub(crate) fn list(
    connection: &Connection,
    execution_id: Uuid,
    after_seq: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<Portion<Event>, StoreError> {
    // Without a limit: rows that are left out do not count.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM event
         WHERE execution_n = (SELECT n FROM execution WHERE id = ?) AND seq > ? ORDER BY seq"
    ))?;
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![execution_id.to_string(), after])?;
    let mut portion = Portion::empty();
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

/// The columns of an event, as [`event_of`] takes them.
pub(super) const COLUMNS: &str = "seq, ts, type, payload";

/// Decodes an event of an execution.
pub(super) fn event_of(row: &Row<'_>, execution_id: Uuid) -> Result<Event, StoreError> {
    let record = Record::owned("event", row, execution_id);
    Ok(Event {
        execution_id,
        seq: record.get(0)?,
        ts: record.time(1)?,
        kind: record.parsed(2, EventType::from_name)?,
        payload: record.json(3)?,
    })
}
