use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, Metrics, RawJson, Timestamp,
};

use super::page::{Listing, Page, Portion, Within, listed};
use super::session::{optional_json, raw_json};
use super::template::{corrupt, parse_id};
use super::{StoreError, event};

const COLUMNS: &str = "id, session_id, kind, input, path, args, env, status, started_at, ended_at, result, error, metrics";

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

/// The execution of a session that began after that one, or its first, if the record takes no more bytes than that.
pub(crate) fn following(
    connection: &Connection,
    session_id: Uuid,
    after: Option<Uuid>,
    max_bytes: usize,
) -> Result<Within<Option<Execution>>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT id FROM execution WHERE session_id = ?1
             AND n > coalesce((SELECT n FROM execution WHERE id = ?2), 0) ORDER BY n LIMIT 1",
        )?
        .query_row(
            params![session_id.to_string(), after.map(|id| id.to_string())],
            |row| row.get(0),
        )
        .optional()?;
    match found {
        Some(id) => get_within(connection, parse_id("execution.id", &id)?, max_bytes),
        None => Ok(Within::Fits(None)),
    }
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
    let running: Vec<String> = connection
        .prepare("SELECT id FROM execution WHERE status = 'running'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &running {
        settle_one(connection, parse_id("execution.id", id)?, now, error)?;
    }
    Ok(running.len())
}

/// Ends an execution that nobody follows any more, as an error with a last event.
pub(crate) fn settle_one(
    connection: &Connection,
    id: Uuid,
    now: Timestamp,
    error: &RawJson,
) -> Result<(), StoreError> {
    let last_seq: u64 = connection
        .prepare_cached(
            "SELECT coalesce(max(seq), 0) FROM event JOIN execution ON n = execution_n WHERE id = ?",
        )?
        .query_row([id.to_string()], |row| row.get(0))?;
    let last = Event {
        execution_id: id,
        seq: last_seq + 1,
        ts: now,
        kind: EventType::Exception,
        payload: error.clone(),
    };
    event::append(connection, id, &[last])?;
    let ended = ExecutionEnd {
        status: ExecutionStatus::Error,
        ended_at: now,
        result: None,
        error: Some(error.clone()),
        metrics: Metrics {
            events: last_seq + 1,
            ..Metrics::default()
        },
    };
    end(connection, id, &ended)
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
    let found: Option<(String, bool)> = connection
        .prepare_cached("SELECT session_id, status <> 'running' FROM execution WHERE id = ?")?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(session, has_ended)| Ok((parse_id("execution.session_id", &session)?, has_ended)))
        .transpose()
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

fn execution_of(row: &Row<'_>) -> Result<Execution, StoreError> {
    let kind: String = row.get(2)?;
    let status: String = row.get(7)?;
    let metrics: String = row.get(12)?;
    Ok(Execution {
        id: parse_id("execution.id", &row.get::<_, String>(0)?)?,
        session_id: parse_id("execution.session_id", &row.get::<_, String>(1)?)?,
        kind: ExecutionKind::from_name(&kind).ok_or_else(|| corrupt("execution.kind", &kind))?,
        input: row.get(3)?,
        path: row.get(4)?,
        args: raw_json("execution.args", row.get(5)?)?,
        env: raw_json("execution.env", row.get(6)?)?,
        status: ExecutionStatus::from_name(&status)
            .ok_or_else(|| corrupt("execution.status", &status))?,
        started_at: Timestamp::from_micros(row.get(8)?),
        ended_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_micros),
        result: optional_json("execution.result", row.get(10)?)?,
        error: optional_json("execution.error", row.get(11)?)?,
        metrics: serde_json::from_str(&metrics)
            .map_err(|_| corrupt("execution.metrics", &metrics))?,
    })
}

fn metrics_text(metrics: &Metrics) -> String {
    serde_json::to_string(metrics).expect("numbers are JSON")
}
