//! The records of sessions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{Session, SessionStatus, Timestamp};
use vmcontrol::store::{Portion, SessionQuery};

use crate::error::DbError;
use crate::listing::{Listing, listed};
use crate::record::Record;

/// The columns of a session, as [`session_of`] reads them.
pub(crate) const COLUMNS: &str = "id, template_id, workspace_id, base_commit_oid, worktree_path, status, created_at, \
     closed_at, last_error, runtime_meta";

/// Stores a new session.
pub(crate) fn insert(connection: &Connection, session: &Session) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "INSERT INTO session (id, template_id, workspace_id, base_commit_oid, worktree_path, status, created_at,
             closed_at, last_error, runtime_meta) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            session.id.to_string(),
            session.vm_id.to_string(),
            session.workspace_id,
            session.base_commit_oid,
            session.worktree_path,
            session.status.as_str(),
            session.created_at.as_micros(),
            session.closed_at.map(Timestamp::as_micros),
            session.last_error,
            session.runtime_meta.as_ref().map(|meta| meta.get()),
        ])?;
    Ok(())
}

/// Makes a session `ready` if it is `starting`.
pub(crate) fn set_ready(connection: &Connection, id: Uuid) -> Result<(), DbError> {
    connection
        .prepare_cached("UPDATE session SET status = 'ready' WHERE id = ? AND status = 'starting'")?
        .execute([id.to_string()])?;
    Ok(())
}

/// Ends a session that is not `closed`. The time of an earlier end stays, and so does an earlier
/// error where `last_error` is `None`.
pub(crate) fn end(
    connection: &Connection,
    id: Uuid,
    status: SessionStatus,
    now: Timestamp,
    last_error: Option<&str>,
) -> Result<(), DbError> {
    connection
        .prepare_cached(
            "UPDATE session SET status = ?, closed_at = coalesce(closed_at, ?), last_error = coalesce(?, last_error)
             WHERE id = ? AND status <> 'closed'",
        )?
        .execute(params![
            status.as_str(),
            now.as_micros(),
            last_error,
            id.to_string()
        ])?;
    Ok(())
}

/// Closes every session that is `starting` or `ready`; returns how many there were.
pub(crate) fn close_open(
    connection: &Connection,
    now: Timestamp,
    reason: &str,
) -> Result<usize, DbError> {
    let open: Vec<i64> = connection
        .prepare("SELECT n FROM session WHERE status IN ('starting', 'ready')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut close = connection.prepare_cached(
        "UPDATE session SET status = 'closed', closed_at = ?, last_error = ? WHERE n = ?",
    )?;
    let mut closed = 0;
    for number in open {
        match close.execute(params![now.as_micros(), reason, number]) {
            Ok(rows) => closed += rows,
            Err(error) => skip_unwritable("session", number, error.into())?,
        }
    }
    Ok(closed)
}

/// Skips a row that can't be written. SQLite refuses to write to a row with a value that its column
/// can't have; `ops check` names such rows.
///
/// # Errors
/// The error itself, if it has another cause.
pub(crate) fn skip_unwritable(
    table: &'static str,
    number: i64,
    error: DbError,
) -> Result<(), DbError> {
    if !error.is_constraint() {
        return Err(error);
    }
    tracing::warn!(table, number, %error, "a damaged row stays as it is");
    Ok(())
}

/// A session; `None` if none has the id.
pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Session>, DbError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM session WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(session_of(row)))
        .optional()?;
    found.transpose()
}

/// A portion of the sessions; `None` when the page begins at one that does not exist.
pub(crate) fn list(
    connection: &Connection,
    query: SessionQuery,
) -> Result<Option<Portion<Session>>, DbError> {
    let transaction = connection.unchecked_transaction()?;
    // The transaction reads the database as of its first query.
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let ids = listed(&(query.starting)());
    let filter = query.filter;
    let has_status = match filter.status {
        Some(SessionStatus::Ready) => format!("status = ? AND id NOT IN ({ids})"),
        Some(SessionStatus::Starting) => {
            format!("status = ? OR (status = 'ready' AND id IN ({ids}))")
        }
        Some(SessionStatus::Crashed | SessionStatus::Closed) | None => "status = ?".into(),
    };
    let listing = Listing {
        table: "session",
        columns: COLUMNS,
        filters: vec![
            (&has_status, filter.status.map(|status| status.to_string())),
            (
                "template_id = ?",
                filter.template_id.map(|id| id.to_string()),
            ),
            ("workspace_id = ?", filter.workspace_id),
        ],
        page: query.page,
        max_bytes: query.max_bytes,
    };
    listing.read(&transaction, session_of)
}

/// Decodes a session from its [`COLUMNS`].
pub(crate) fn session_of(row: &Row<'_>) -> Result<Session, DbError> {
    let record = Record::new("session", row);
    Ok(Session {
        id: record.id(0)?,
        vm_id: record.id(1)?,
        workspace_id: record.get(2)?,
        base_commit_oid: record.get(3)?,
        worktree_path: record.get(4)?,
        status: record.parsed(5, SessionStatus::from_name)?,
        created_at: record.time(6)?,
        closed_at: record.optional_time(7)?,
        last_error: record.get(8)?,
        runtime_meta: record.optional_json(9)?,
    })
}
