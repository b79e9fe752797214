use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use vmapi_types::{Session, SessionStatus, Timestamp};

use super::StoreError;
use super::page::{Listing, Page, Portion, listed};
use super::record::Record;

/// Which sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Those of this status.
    pub status: Option<SessionStatus>,
    /// Those that were made from this template.
    pub template_id: Option<Uuid>,
    /// Those of this workspace.
    pub workspace_id: Option<String>,
}

/// The columns of a session, as [`session_of`] takes them.
pub(super) const COLUMNS: &str = "id, template_id, workspace_id, base_commit_oid, worktree_path, status, created_at, closed_at, \
                       last_error, runtime_meta";

pub(crate) fn insert(connection: &Connection, session: &Session) -> Result<(), StoreError> {
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

pub(crate) fn set_ready(connection: &Connection, id: Uuid) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE session SET status = 'ready' WHERE id = ? AND status = 'starting'")?
        .execute([id.to_string()])?;
    Ok(())
}

/// Ends a session that has not ended yet. An earlier `last_error` stays when there is no new one.
pub(crate) fn end(
    connection: &Connection,
    id: Uuid,
    status: SessionStatus,
    now: Timestamp,
    last_error: Option<&str>,
) -> Result<(), StoreError> {
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

/// Closes every session that a daemon left `starting` or `ready`; returns how many there were.
pub(crate) fn settle(
    connection: &Connection,
    now: Timestamp,
    reason: &str,
) -> Result<usize, StoreError> {
    let open: Vec<i64> = connection
        .prepare("SELECT n FROM session WHERE status IN ('starting', 'ready')")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut close = connection.prepare_cached(
        "UPDATE session SET status = 'closed', closed_at = ?, last_error = ? WHERE n = ?",
    )?;
    let mut settled = 0;
    for number in open {
        match close.execute(params![now.as_micros(), reason, number]) {
            Ok(closed) => settled += closed,
            Err(error) => skip_unwritable("session", number, error.into())?,
        }
    }
    Ok(settled)
}

/// Passes over a row that can't be written: SQLite refuses one that holds what a column of it can't. The check names it.
pub(super) fn skip_unwritable(
    table: &'static str,
    number: i64,
    error: StoreError,
) -> Result<(), StoreError> {
    if !error.is_constraint() {
        return Err(error);
    }
    tracing::warn!(table, number, %error, "a damaged row stays as it is");
    Ok(())
}

pub(crate) fn get(connection: &Connection, id: Uuid) -> Result<Option<Session>, StoreError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM session WHERE id = ?"))?
        .query_row([id.to_string()], |row| Ok(session_of(row)))
        .optional()?;
    found.transpose()
}

/// Sessions, newest first; nothing when the page begins at one that is not there. `starting` is asked which of them count as
/// that, though their records say `ready`; after the moment of which the records are.
pub(crate) fn list(
    connection: &Connection,
    filter: &SessionFilter,
    page: Page,
    max_bytes: usize,
    starting: impl FnOnce() -> Vec<Uuid>,
) -> Result<Option<Portion<Session>>, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    // What is read is of the moment of the first query.
    transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let starting = starting();
    let ids = listed(&starting);
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
            ("workspace_id = ?", filter.workspace_id.clone()),
        ],
        page,
        max_bytes,
    };
    listing.read(&transaction, |row| {
        let session = session_of(row)?;
        let is_starting = starting.contains(&session.id);
        Ok(as_seen(session, is_starting))
    })
}

/// A record, which may say `ready` before its session is.
pub(crate) fn as_seen(session: Session, is_starting: bool) -> Session {
    match session.status {
        SessionStatus::Ready if is_starting => Session {
            status: SessionStatus::Starting,
            ..session
        },
        _ => session,
    }
}

/// Decodes a session from its [`COLUMNS`].
pub(super) fn session_of(row: &Row<'_>) -> Result<Session, StoreError> {
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
