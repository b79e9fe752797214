//! The records of executions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Metrics, RawJson, Timestamp,
};
use vmcontrol::store::{
    ExecutionEnd, ExecutionHead, ExecutionQuery, Portion, UnrecordedEnd, Within,
};

use crate::error::DbError;
use crate::event;
use crate::listing::{Listing, listed};
use crate::record::{LeftOut, Record};
use crate::session::skip_unwritable;

/// The columns of an execution, as [`execution_of`] reads them.
pub(crate) const COLUMNS: &str = "id, session_id, kind, input, path, args, env, status, started_at, ended_at, result, error, metrics";

/// Stores a new execution. `request` is the fingerprint of its request; `None` if that can't be
/// sent again.
pub(crate) fn insert(
    connection: &Connection,
    execution: &Execution,
    request: Option<&str>,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "INSERT INTO execution
             (id, session_id, kind, input, path, args, env, status, started_at, metrics, request)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            execution.id.to_string(),
            execution.session_id.to_string(),
            execution.kind.as_str(),
            execution.input,
            execution.path,
            execution.args.get(),
            execution.env.get(),
            execution.status.as_str(),
            execution.started_at.as_micros(),
            metrics_text(&execution.metrics),
            request,
        ])?;
    Ok(())
}

/// The fingerprint of the request for an execution; `None` if the execution does not exist or has
/// none.
pub(crate) fn request(connection: &Connection, id: Uuid) -> Result<Option<String>, DbError> {
    let found = connection
        .prepare_cached("SELECT request FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// The execution of a session that began after `after`, or its first, if the record takes at most
/// `max_bytes`. Unreadable ones are skipped.
pub(crate) fn following(
    connection: &Connection,
    session_id: Uuid,
    after: Option<Uuid>,
    max_bytes: usize,
) -> Result<Within<Option<Execution>>, DbError> {
    let mut find = connection.prepare_cached(
        "SELECT id FROM execution WHERE session_id = ?1
         AND n > coalesce((SELECT n FROM execution WHERE id = ?2), 0) ORDER BY n",
    )?;
    let mut rows = find.query(params![
        session_id.to_string(),
        after.map(|id| id.to_string())
    ])?;
    let mut left_out = LeftOut::default();
    while let Some(row) = rows.next()? {
        let found = Record::new("execution", row)
            .id(0)
            .and_then(|id| get(connection, id, max_bytes));
        if let Some(found) = left_out.readable(found)? {
            return Ok(found);
        }
    }
    Ok(Within::Fits(None))
}

/// Ends the record of an execution, which may have ended already.
pub(crate) fn end(connection: &Connection, id: Uuid, end: &ExecutionEnd) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE execution SET status = ?, ended_at = ?, result = ?, error = ?, metrics = ?
             WHERE id = ?",
        )?
        .execute(params![
            end.status.as_str(),
            end.ended_at.as_micros(),
            end.result.as_ref().map(|json| json.get()),
            end.error.as_ref().map(|json| json.get()),
            metrics_text(&end.metrics),
            id.to_string(),
        ])?;
    Ok(())
}

/// Ends every execution that is `running`, as an error with a last event; returns how many there
/// were.
pub(crate) fn end_running(
    connection: &Connection,
    now: Timestamp,
    error: &RawJson,
) -> Result<usize, DbError> {
    // The numbers are used, since an id may be unreadable.
    let running: Vec<i64> = connection
        .prepare("SELECT n FROM execution WHERE status = 'running'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut ended = 0;
    for number in running {
        match end_number(connection, number, now, error) {
            Ok(()) => ended += 1,
            Err(error) => skip_unwritable("execution", number, error)?,
        }
    }
    Ok(ended)
}

/// Ends an execution of which a write failed. Its record is stored if that is missing.
pub(crate) fn end_unrecorded(connection: &Connection, end: &UnrecordedEnd) -> Result<(), DbError> {
    let number_of = |id: Uuid| -> rusqlite::Result<Option<i64>> {
        connection
            .prepare_cached("SELECT n FROM execution WHERE id = ?")?
            .query_row([id.to_string()], |row| row.get(0))
            .optional()
    };
    let id = end.execution.id;
    if number_of(id)?.is_none() {
        insert(connection, &end.execution, end.request.as_deref())?;
    }
    let number = number_of(id)?.ok_or_else(event::unwritten_record)?;
    end_number(connection, number, end.ended_at, &end.error)
}

/// Ends the execution with a number as an error, with a last event.
fn end_number(
    connection: &Connection,
    number: i64,
    now: Timestamp,
    error: &RawJson,
) -> Result<(), DbError> {
    let last_seq: u64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM event WHERE execution_n = ?")?
        .query_row([number], |row| row.get(0))?;
    let events = last_seq + 1;
    let last = Event {
        // The event is stored under the number of the execution.
        execution_id: Uuid::nil(),
        seq: events,
        ts: now,
        kind: EventType::Exception,
        payload: error.clone(),
    };
    let metrics = Metrics {
        events,
        ..Metrics::default()
    };
    connection
        .prepare_cached(
            "UPDATE execution SET status = 'error', ended_at = ?, result = NULL, error = ?, metrics = ?
             WHERE n = ?",
        )?
        .execute(params![
            now.as_micros(),
            error.get(),
            metrics_text(&metrics),
            number
        ])?;
    event::insert(connection, number, &[last])
}

/// An execution, if its record takes at most `max_bytes`; `None` if none has the id.
pub(crate) fn get(
    connection: &Connection,
    id: Uuid,
    max_bytes: usize,
) -> Result<Within<Option<Execution>>, DbError> {
    let bytes: Option<usize> = connection
        .prepare_cached(
            "SELECT coalesce(octet_length(input), 0) + coalesce(octet_length(path), 0)
             + octet_length(args) + octet_length(env)
             + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
             FROM execution WHERE id = ?",
        )?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    match bytes {
        // The record is in memory twice: as it is stored, and as it is sent.
        Some(bytes) if bytes > max_bytes => Ok(Within::Needs(2 * bytes)),
        Some(_) => Ok(Within::Fits(whole(connection, id)?)),
        None => Ok(Within::Fits(None)),
    }
}

fn whole(connection: &Connection, id: Uuid) -> Result<Option<Execution>, DbError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM execution WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(execution_of(row)))
        .optional()?;
    found.transpose()
}

/// The session of an execution and whether it has ended; `None` if no execution has the id.
pub(crate) fn head(connection: &Connection, id: Uuid) -> Result<Option<ExecutionHead>, DbError> {
    let found = connection
        .prepare_cached("SELECT id, session_id, status <> 'running' FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| {
            let record = Record::new("execution", row);
            Ok(record.id(1).and_then(|session_id| {
                Ok(ExecutionHead {
                    session_id,
                    has_ended: record.get(2)?,
                })
            }))
        })
        .optional()?;
    found.transpose()
}

/// A portion of the executions of a session; `None` when the page begins at one that does not
/// exist.
pub(crate) fn list(
    connection: &Connection,
    query: &ExecutionQuery,
) -> Result<Option<Portion<Execution>>, DbError> {
    let ids = listed(&query.running);
    let filter = query.filter;
    let has_status = match filter.status {
        Some(ExecutionStatus::Running) => format!("status = ? OR id IN ({ids})"),
        _ => format!("status = ? AND id NOT IN ({ids})"),
    };
    let listing = Listing {
        table: "execution",
        columns: COLUMNS,
        filters: vec![
            ("session_id = ?", Some(query.session_id.to_string())),
            (&has_status, filter.status.map(|status| status.to_string())),
            ("kind = ?", filter.kind.map(|kind| kind.to_string())),
        ],
        page: query.page,
        max_bytes: query.max_bytes,
    };
    listing.read(connection, execution_of)
}

/// Decodes an execution from its [`COLUMNS`].
pub(crate) fn execution_of(row: &Row<'_>) -> Result<Execution, DbError> {
    let record = Record::new("execution", row);
    Ok(Execution {
        id: record.id(0)?,
        session_id: record.id(1)?,
        kind: record.parsed(2, ExecutionKind::from_name)?,
        input: record.get(3)?,
        path: record.get(4)?,
        args: record.json(5)?,
        env: record.json(6)?,
        status: record.parsed(7, ExecutionStatus::from_name)?,
        started_at: record.time(8)?,
        ended_at: record.optional_time(9)?,
        result: record.optional_json(10)?,
        error: record.optional_json(11)?,
        metrics: record.object(12)?,
    })
}

fn metrics_text(metrics: &Metrics) -> String {
    serde_json::to_string(metrics).expect("numbers are JSON")
}
