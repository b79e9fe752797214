use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use vmapi_types::{Event, EventType, Timestamp};

use super::StoreError;
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

/// The events of an execution with a `seq` above `after_seq`, in order, at most `limit`.
pub(crate) fn list(
    connection: &Connection,
    execution_id: Uuid,
    after_seq: u64,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, ts, type, payload FROM event
         WHERE execution_n = (SELECT n FROM execution WHERE id = ?) AND seq > ? ORDER BY seq LIMIT ?",
    )?;
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![execution_id.to_string(), after, limit], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get::<_, String>(2)?,
            row.get(3)?,
        ))
    })?;
    rows.map(|row| {
        let (seq, micros, kind, payload) = row?;
        Ok(Event {
            execution_id,
            seq,
            ts: Timestamp::from_micros(micros),
            kind: EventType::from_name(&kind).ok_or_else(|| corrupt("event.type", &kind))?,
            payload: raw_json("event.payload", payload)?,
        })
    })
    .collect()
}
