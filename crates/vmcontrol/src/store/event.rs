use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{Event, EventType, Timestamp};

use super::StoreError;
use super::page::{Portion, size_of_value};
use super::session::raw_json;
use super::template::corrupt;

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

/// The events of an execution with a `seq` above `after_seq`, in order: at most `limit`, and no more bytes than that.
pub(crate) fn list(
    connection: &Connection,
    execution_id: Uuid,
    after_seq: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<Portion<Event>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, ts, type, payload FROM event
         WHERE execution_n = (SELECT n FROM execution WHERE id = ?) AND seq > ? ORDER BY seq LIMIT ?",
    )?;
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    // One more says whether there are more.
    let rows = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![execution_id.to_string(), after, rows])?;
    let mut portion = Portion::empty();
    while let Some(row) = rows.next()? {
        let bytes = EVENT_BYTES + size_of_value(row.get_ref(3)?);
        if !portion.has_room(bytes, limit, max_bytes) {
            break;
        }
        portion.items.push(event_of(execution_id, row)?);
    }
    Ok(portion)
}

fn event_of(execution_id: Uuid, row: &Row<'_>) -> Result<Event, StoreError> {
    let kind: String = row.get(2)?;
    Ok(Event {
        execution_id,
        seq: row.get(0)?,
        ts: Timestamp::from_micros(row.get(1)?),
        kind: EventType::from_name(&kind).ok_or_else(|| corrupt("event.type", &kind))?,
        payload: raw_json("event.payload", row.get(3)?)?,
    })
}
