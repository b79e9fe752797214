//! The schema: a list of migrations. New ones are appended; the others never change.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// The migrations. Each makes the schema one version newer; `PRAGMA user_version` is the number of
/// applied migrations.
const MIGRATIONS: &[M<'static>] = &[M::up(INITIAL), M::up(REQUEST_OF_EXECUTION)];

/// The migrations, in order.
pub(crate) fn migrations() -> Migrations<'static> {
    Migrations::from_slice(MIGRATIONS)
}

/// The newest version of the schema.
pub(crate) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The tables, columns and indices that a database lacks, a sentence for each.
pub(crate) fn missing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut whole = Connection::open_in_memory()?;
    // The migrations are valid, which a test shows.
    migrations()
        .to_latest(&mut whole)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let found = objects(connection)?;
    let mut missing = objects(&whole)?;
    missing.retain(|object| !found.contains(object));
    Ok(missing)
}

/// A sentence for each table, column and index of a database: the one that reports it as missing.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut find = connection.prepare(
        "SELECT 'there is no ' || type || ' ' || name FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         UNION ALL SELECT 'there is no column ' || info.name || ' of the table ' || tables.name
         FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS info WHERE tables.type = 'table'",
    )?;
    let found = find.query_map([], |row| row.get(0))?;
    found.collect()
}

/// Version 1. A session has the id of its template without a foreign key: its policy is its own,
/// and deleting the template leaves the history. Executions have a short number beside their id, so
/// that their many events refer to them cheaply.
const INITIAL: &str = "
CREATE TABLE template (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    engine TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    limits TEXT NOT NULL,
    resolver TEXT NOT NULL,
    runtime TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE template_module (
    template_id TEXT NOT NULL REFERENCES template(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (template_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE template_library (
    n INTEGER PRIMARY KEY,
    template_id TEXT NOT NULL REFERENCES template(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (template_id, name)
) STRICT;

CREATE TABLE capability (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    template_id TEXT NOT NULL REFERENCES template(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    config TEXT NOT NULL,
    UNIQUE (template_id, kind, name)
) STRICT;

CREATE TABLE startup_file (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    template_id TEXT NOT NULL REFERENCES template(id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    order_index INTEGER NOT NULL,
    mode TEXT NOT NULL,
    UNIQUE (template_id, path)
) STRICT;

CREATE TABLE session (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    template_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    base_commit_oid TEXT NOT NULL,
    worktree_path TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at INTEGER,
    last_error TEXT,
    runtime_meta TEXT
) STRICT;

CREATE INDEX session_by_status ON session (status, n);

CREATE TABLE execution (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL REFERENCES session(id),
    kind TEXT NOT NULL,
    input TEXT,
    path TEXT,
    args TEXT NOT NULL,
    env TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    result TEXT,
    error TEXT,
    metrics TEXT NOT NULL
) STRICT;

CREATE INDEX execution_by_session ON execution (session_id, n);
CREATE INDEX execution_running ON execution (n) WHERE status = 'running';

CREATE TABLE event (
    execution_n INTEGER NOT NULL REFERENCES execution(n),
    seq INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (execution_n, seq)
) STRICT, WITHOUT ROWID;
";

/// Version 2. The fingerprint of the request for an execution, where the client chose the id and
/// may send the same request again; else `NULL`.
const REQUEST_OF_EXECUTION: &str = "ALTER TABLE execution ADD COLUMN request TEXT;";

#[cfg(test)]
mod tests;
