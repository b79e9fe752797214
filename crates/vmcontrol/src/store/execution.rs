use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Metrics, RawJson, Timestamp,
};

use super::page::{Listing, Page, Portion, Within, listed};
use super::record::{LeftOut, Record};
use super::session::skip_unwritable;
use super::{StoreError, event};

/// The columns of an execution, as [`execution_of`] takes them.
pub(super) const COLUMNS: &str = "id, session_id, kind, input, path, args, env, status, started_at, ended_at, result, error, metrics";

/// Which executions of a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecutionFilter {
    /// Those of this status.
    pub status: Option<ExecutionStatus>,
    /// Those of this kind.
    pub kind: Option<ExecutionKind>,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionEnd {
    pub(crate) status: ExecutionStatus,
    pub(crate) ended_at: Timestamp,
    pub(crate) result: Option<RawJson>,
    pub(crate) error: Option<RawJson>,
    pub(crate) metrics: Metrics,
}

/// Stores a new execution, with the fingerprint of its request if that may be sent again.
pub(crate) fn insert(
    connection: &Connection,
    execution: &Execution,
    request: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO execution (id, session_id, kind, input, path, args, env, status, started_at, metrics, request)
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

/// The fingerprint of the request for an execution, if it has one.
pub(crate) fn request_of(connection: &Connection, id: Uuid) -> Result<Option<String>, StoreError> {
    let found = connection
        .prepare_cached("SELECT request FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// The execution of a session that began after that one, or its first, if the record takes no more bytes than that. Unreadable
/// ones are passed over.
pub(crate) fn following(
    connection: &Connection,
    session_id: Uuid,
    after: Option<Uuid>,
    max_bytes: usize,
) -> Result<Within<Option<Execution>>, StoreError> {
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
            .and_then(|id| get_within(connection, id, max_bytes));
        if let Some(found) = left_out.readable(found)? {
            return Ok(found);
        }
    }
    Ok(Within::Fits(None))
}

pub(crate) fn end(connection: &Connection, id: Uuid, end: &ExecutionEnd) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE execution SET status = ?, ended_at = ?, result = ?, error = ?, metrics = ? WHERE id = ?",
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

/// Ends every execution that a daemon left `running`, as an error with a last event; returns how many there were.
pub(crate) fn settle(
    connection: &Connection,
    now: Timestamp,
    error: &RawJson,
) -> Result<usize, StoreError> {
    // By their numbers: an id may be unreadable.
    let running: Vec<i64> = connection
        .prepare("SELECT n FROM execution WHERE status = 'running'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut settled = 0;
    for number in running {
        match settle_number(connection, number, now, error) {
            Ok(()) => settled += 1,
            Err(error) => skip_unwritable("execution", number, error)?,
        }
    }
    Ok(settled)
}

/// Ends an execution that nobody follows any more, as an error with a last event.
pub(crate) fn settle_one(
    connection: &Connection,
    id: Uuid,
    now: Timestamp,
    error: &RawJson,
) -> Result<(), StoreError> {
    let number: Option<i64> = connection
        .prepare_cached("SELECT n FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    match number {
        Some(number) => settle_number(connection, number, now, error),
        None => Err(StoreError::Unreachable(
            "the execution's record could not be written".into(),
        )),
    }
}

fn settle_number(
    connection: &Connection,
    number: i64,
    now: Timestamp,
    error: &RawJson,
) -> Result<(), StoreError> {
    let last_seq: u64 = connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM event WHERE execution_n = ?")?
        .query_row([number], |row| row.get(0))?;
    let events = last_seq + 1;
    let last = Event {
        // The number says which one it is.
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
            "UPDATE execution SET status = 'error', ended_at = ?, result = NULL, error = ?, metrics = ? WHERE n = ?",
        )?
        .execute(params![
            now.as_micros(),
            error.get(),
            metrics_text(&metrics),
            number
        ])?;
    event::insert(connection, number, &[last])
}

/// Whether there is such an execution, readable or not.
pub(crate) fn exists(connection: &Connection, id: Uuid) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM execution WHERE id = ?")?
        .exists([id.to_string()])?)
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Execution>, StoreError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM execution WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(execution_of(row)))
        .optional()?;
    found.transpose()
}

/// As [`get`], if the record takes no more bytes than that.
pub(crate) fn get_within(
    connection: &Connection,
    id: Uuid,
    max_bytes: usize,
) -> Result<Within<Option<Execution>>, StoreError> {
    let bytes: Option<usize> = connection
        .prepare_cached(
            "SELECT coalesce(octet_length(input), 0) + coalesce(octet_length(path), 0) + octet_length(args)
             + octet_length(env) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
             FROM execution WHERE id = ?",
        )?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    match bytes {
        // Once as it is stored, and once as it is sent.
        Some(bytes) if bytes > max_bytes => Ok(Within::Needs(2 * bytes)),
        Some(_) => Ok(Within::Fits(get(connection, id)?)),
        None => Ok(Within::Fits(None)),
    }
}

/// The session of an execution, and whether the store knows of its end.
pub(crate) fn head(connection: &Connection, id: Uuid) -> Result<Option<(Uuid, bool)>, StoreError> {
    let found = connection
        .prepare_cached("SELECT id, session_id, status <> 'running' FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| {
            let record = Record::new("execution", row);
            Ok(record
                .id(1)
                .and_then(|session_id| Ok((session_id, record.get(2)?))))
        })
        .optional()?;
    found.transpose()
}

/// Executions of a session, newest first; nothing when the page begins at one that is not there. Those of `running` count as
/// that, whatever their records say.
pub(crate) fn list(
    connection: &Connection,
    session_id: Uuid,
    filter: ExecutionFilter,
    page: Page,
    max_bytes: usize,
    running: &[Uuid],
) -> Result<Option<Portion<Execution>>, StoreError> {
    let ids = listed(running);
    let has_status = match filter.status {
        Some(ExecutionStatus::Running) => format!("status = ? OR id IN ({ids})"),
        _ => format!("status = ? AND id NOT IN ({ids})"),
    };
    let listing = Listing {
        table: "execution",
        columns: COLUMNS,
        filters: vec![
            ("session_id = ?", Some(session_id.to_string())),
            (&has_status, filter.status.map(|status| status.to_string())),
            ("kind = ?", filter.kind.map(|kind| kind.to_string())),
        ],
        page,
        max_bytes,
    };
    listing.read(connection, |row| {
        let execution = execution_of(row)?;
        let is_running = running.contains(&execution.id);
        Ok(as_seen(execution, is_running))
    })
}

/// A record, which may tell of an end before that is the last word.
pub(crate) fn as_seen(execution: Execution, is_running: bool) -> Execution {
    if !is_running || execution.status == ExecutionStatus::Running {
        return execution;
    }
    Execution {
        status: ExecutionStatus::Running,
        ended_at: None,
        result: None,
        error: None,
        metrics: Metrics::default(),
        ..execution
    }
}

/// Decodes an execution from its [`COLUMNS`].
pub(super) fn execution_of(row: &Row<'_>) -> Result<Execution, StoreError> {
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
