//! SQLite databases inside the worktree or in memory. A session has one connection at a time, which ends with it.

use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use serde_json::{Map, Number, Value, json};
use vmcontrol::{FileError, Worktree};

use crate::broker::{answer, args, done, unknown_function};
use crate::protocol::{HostCall, HostError, HostReply};

/// The most rows that one query can hand to a script.
const MAX_ROWS: usize = 100_000;

/// The most that one query can hand to a script, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// The most memory that one value or statement may take in SQLite, in bytes.
const MAX_LENGTH_BYTES: i32 = 16 * 1024 * 1024;

const NOT_CONFIGURED: &str =
    "database is not configured: call database.configure('sqlite3', dataSource) first";

/// The database of one session.
pub(super) struct Database {
    worktree: Arc<Worktree>,
    connection: Option<Connection>,
}

impl Database {
    pub(super) fn new(worktree: Arc<Worktree>) -> Self {
        Self {
            worktree,
            connection: None,
        }
    }

    pub(super) fn call(&mut self, call: &HostCall) -> HostReply {
        let given: Vec<Value> = args(call, "query(sql, ...args)")?;
        match call.function.as_str() {
            "configure" => self.configure(&given),
            "query" => self.query(&given),
            "exec" => self.exec(&given),
            "close" => {
                self.connection = None;
                done()
            }
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
        restrict(&connection).map_err(|cause| error(cause.to_string()))?;
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
            let rows =
                statement.query_map(params_from_iter(&parameters), |row| object_of(row, &names))?;
            let mut bytes = 0;
            let mut taken = Vec::new();
            for row in rows {
                let row = row?;
                bytes += size_of_row(&row);
                taken.push(row);
                if taken.len() > MAX_ROWS || bytes > MAX_RESULT_BYTES {
                    break;
                }
            }
            Ok((taken, bytes))
        };
        let (rows, bytes) = query().map_err(|cause| error(cause.to_string()))?;
        if rows.len() > MAX_ROWS || bytes > MAX_RESULT_BYTES {
            return Err(error(format!(
                "the query has more than {MAX_ROWS} rows or {MAX_RESULT_BYTES} bytes: add a LIMIT"
            )));
        }
        answer(&rows)
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
            connection.execute(sql, params_from_iter(&parameters))
        };
        let rows_affected = exec().map_err(|cause| error(cause.to_string()))?;
        answer(&json!({
            "success": true,
            "rowsAffected": rows_affected,
            "lastInsertId": connection.last_insert_rowid(),
        }))
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
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// About what a row takes in the answer.
fn size_of_row(row: &Value) -> usize {
    let Value::Object(row) = row else { return 0 };
    row.iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.len(),
                _ => size_of::<Value>(),
            };
            name.len() + value
        })
        .sum()
}

/// The text of a statement, and its parameters: the other arguments, or the one array.
fn statement_of(given: &[Value]) -> Result<(&str, Vec<Sql>), HostError> {
    let Some((Value::String(sql), rest)) = given.split_first() else {
        return Err(error("the SQL text must be a string"));
    };
    let parameters = match rest {
        [Value::Array(parameters)] => parameters,
        rest => rest,
    };
    let parameters = parameters.iter().map(sql_of).collect::<Result<_, _>>()?;
    Ok((sql, parameters))
}

fn sql_of(value: &Value) -> Result<Sql, HostError> {
    Ok(match value {
        Value::Null => Sql::Null,
        Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Sql::Integer(integer),
            None => Sql::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Sql::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => {
            return Err(error(
                "a parameter must be null, a boolean, a number or a string",
            ));
        }
    })
}

fn object_of(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Value> {
    let mut object = Map::new();
    for (index, name) in names.iter().enumerate() {
        object.insert(name.clone(), json_of(row.get_ref(index)?));
    }
    Ok(Value::Object(object))
}

fn json_of(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::from(integer),
        ValueRef::Real(real) => Number::from_f64(real).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Value::String(String::from_utf8_lossy(text).into_owned())
        }
    }
}

fn error(message: impl Into<String>) -> HostError {
    HostError::new(message)
}
