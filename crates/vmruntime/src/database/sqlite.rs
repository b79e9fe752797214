//! SQLite databases inside the worktree or in memory. A session has one connection at a time, which ends with it.

use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, ffi};
use serde_json::{Map, Number, Value, json};
use vmcontrol::{FileError, Worktree};

use super::parameters::statement_of;
use crate::broker::{answer, args, done, unknown_function, wire};
use crate::protocol::{HostCall, HostError, HostReply, MAX_FROM_SESSION_BYTES};

/// The most rows that one query can hand to a script.
const MAX_ROWS: usize = 100_000;

/// The most that one query can hand to a script, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// The most that its answer may take as JSON, in bytes, where a control character takes six: what a message may be, without what
/// stands around it there.
const MAX_ANSWER_BYTES: usize = MAX_FROM_SESSION_BYTES as usize - 1024;

/// The longest message of an error, in bytes: SQLite repeats in it what it was given.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// The most memory that one value or statement may take in SQLite, in bytes.
const MAX_LENGTH_BYTES: i32 = 16 * 1024 * 1024;

/// After how many steps of a statement the caller may be found to be gone: about a millisecond.
const STEPS: i32 = 100_000;

const NOT_CONFIGURED: &str =
    "database is not configured: call database.configure('sqlite3', dataSource) first";

/// The database of one session.
pub(super) struct Database {
    worktree: Arc<Worktree>,
    connection: Option<Connection>,
    /// Whether whoever calls is gone.
    has_hung_up: fn() -> bool,
}

impl Database {
    pub(super) fn new(worktree: Arc<Worktree>, has_hung_up: fn() -> bool) -> Self {
        Self {
            worktree,
            connection: None,
            has_hung_up,
        }
    }

    pub(super) fn call(&mut self, call: &HostCall) -> HostReply {
        let given: Vec<Value> = args(call, "query(sql, params)")?;
        match call.function.as_str() {
            "configure" => self.configure(&given),
            "query" => self.query(&given),
            "exec" => self.exec(&given),
            "close" => {
                self.connection = None;
                done()
            }
            "abandon" => self.abandon(),
            _ => Err(unknown_function(call)),
        }
    }

    fn configure(&mut self, given: &[Value]) -> HostReply {
        let (Some(driver), Some(source)) = (
            given.first().and_then(Value::as_str),
            given.get(1).and_then(Value::as_str),
        ) else {
            return Err(error("use database.configure('sqlite3', dataSource)"));
        };
        if driver != "sqlite3" {
            return Err(error(format!(
                "the database driver {driver:?} is not supported: use 'sqlite3'"
            )));
        }
        // The earlier connection is closed first, so that a file can be opened anew.
        self.connection = None;
        let connection = if source == ":memory:" {
            Connection::open_in_memory()
        } else {
            self.open_file(source)?
        }
        .map_err(|cause| error(format!("{source:?} can't be opened: {cause}")))?;
        restrict(&connection)
            .and_then(|()| connection.progress_handler(STEPS, Some(self.has_hung_up)))
            .map_err(|cause| error(cause.to_string()))?;
        self.connection = Some(connection);
        done()
    }

    fn open_file(&self, source: &str) -> Result<rusqlite::Result<Connection>, HostError> {
        let refused = |reason: &FileError| error(format!("{source:?} can't be opened: {reason}"));
        let below = self
            .worktree
            .relative(source)
            .map_err(|reason| refused(&reason))?;
        let real = self
            .worktree
            .real_path(&below)
            .map_err(|reason| refused(&reason))?;
        // An absolute path is never taken for a URI; NOFOLLOW refuses a link that was put there just now.
        Ok(Connection::open_with_flags(
            real,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW,
        ))
    }

    fn query(&self, given: &[Value]) -> HostReply {
        let (sql, parameters) = statement_of(given)?;
        let connection = self.connection()?;
        let query = || -> rusqlite::Result<(Vec<Value>, usize)> {
            let mut statement = connection.prepare(sql)?;
            let names: Vec<String> = statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            parameters.bind(&mut statement)?;
            let mut rows = statement.raw_query();
            let mut bytes = 0;
            let mut taken = Vec::new();
            while let Some(row) = rows.next()? {
                let (row, size) = object_of(row, &names)?;
                bytes += size;
                taken.push(row);
                if taken.len() > MAX_ROWS || bytes > MAX_RESULT_BYTES {
                    break;
                }
            }
            Ok((taken, bytes))
        };
        let (rows, bytes) = query().map_err(|cause| error(cause.to_string()))?;
        if rows.len() > MAX_ROWS || bytes > MAX_RESULT_BYTES {
            return Err(too_much());
        }
        let rows = answer(&rows)?;
        if rows.get().len() > MAX_ANSWER_BYTES {
            return Err(too_much());
        }
        Ok(rows)
    }

    fn exec(&self, given: &[Value]) -> HostReply {
        let (sql, parameters) = statement_of(given)?;
        let connection = self.connection()?;
        let exec = || -> rusqlite::Result<usize> {
            if parameters.is_empty() {
                // Several statements can come in one text.
                let before = connection.total_changes();
                connection.execute_batch(sql)?;
                let changed = connection.total_changes() - before;
                return Ok(usize::try_from(changed).unwrap_or(usize::MAX));
            }
            let mut statement = connection.prepare(sql)?;
            parameters.bind(&mut statement)?;
            statement.raw_execute()
        };
        let rows_affected = exec().map_err(|cause| error(cause.to_string()))?;
        answer(&json!({
            "success": true,
            "rowsAffected": rows_affected,
            "lastInsertId": wire::integer(connection.last_insert_rowid()),
        }))
    }

    /// Rolls a transaction back that a run left open which is itself rolled back.
    fn abandon(&self) -> HostReply {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
        {
            connection
                .execute_batch("ROLLBACK")
                .map_err(|cause| error(cause.to_string()))?;
        }
        done()
    }

    fn connection(&self) -> Result<&Connection, HostError> {
        self.connection
            .as_ref()
            .ok_or_else(|| error(NOT_CONFIGURED))
    }
}

/// Takes away what reaches beyond the one file, and keeps temporary files out of the file system.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
    connection.authorizer(Some(refuse_other_files))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Lets a statement attach no other file. `VACUUM` attaches a database without a name, which is where all is that is temporary.
fn refuse_other_files(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { filename: "" } => Authorization::Allow,
        // Of a name that is no plain string nothing is said here.
        AuthAction::Attach { .. }
        | AuthAction::Unknown {
            code: ffi::SQLITE_ATTACH,
            ..
        } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// A row as it travels, and about how much it takes in the answer.
fn object_of(row: &Row<'_>, names: &[String]) -> rusqlite::Result<(Value, usize)> {
    let mut object = Map::new();
    let mut size = 0;
    for (index, name) in names.iter().enumerate() {
        let value = row.get_ref(index)?;
        size += name.len()
            + match value {
                ValueRef::Text(bytes) => bytes.len(),
                // Base64 has four characters for three bytes.
                ValueRef::Blob(bytes) => bytes.len().div_ceil(3) * 4,
                _ => size_of::<Value>(),
            };
        object.insert(name.clone(), value_of(value));
    }
    Ok((wire::object(object), size))
}

fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => wire::integer(integer),
        ValueRef::Real(real) => Number::from_f64(real).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => wire::bytes(blob),
    }
}

fn too_much() -> HostError {
    error(format!(
        "the query has more than {MAX_ROWS} rows or {MAX_RESULT_BYTES} bytes: add a LIMIT"
    ))
}

pub(super) fn error(message: impl Into<String>) -> HostError {
    let mut message = message.into();
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push_str("...");
    }
    HostError::new(message)
}
