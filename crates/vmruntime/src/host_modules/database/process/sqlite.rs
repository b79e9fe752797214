//! The connection of a session, and how the runs that use it are kept or undone.
//!
//! A session has at most one connection. `begin` marks the state before a run: where the connection
//! has an open transaction, the mark is a savepoint in it; where the run closes the connection, the
//! mark keeps what was open. `keep` drops the mark. `abandon` goes back to it: it undoes what is
//! not committed and reopens what was open. What a run has committed stays committed.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, ffi};
use serde_json::{Map, Number, Value, json};
use vmcontrol::{FileError, Worktree, WriteLimits};

use super::errors::error;
use super::parameters::{Parameters, statement_of};
use super::writes::Writes;
use crate::host_modules::broker::arguments::args;
use crate::host_modules::broker::reply::{answer, done, unknown_function};
use crate::ipc::value;
use crate::ipc::{HostCall, HostError, HostReply};

/// The largest number of rows that one query returns to a script.
const MAX_ROWS: usize = 100_000;

/// The largest size of the values that one query returns to a script, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// The largest JSON of an answer, in bytes, without the bytes and long texts that are sent beside
/// it.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The largest value or statement in SQLite, in bytes.
const MAX_LENGTH_BYTES: i32 = 16 * 1024 * 1024;

/// The number of steps of a statement after which SQLite checks whether the statement is
/// interrupted. They take about a millisecond.
const STEPS: i32 = 100_000;

const NOT_CONFIGURED: &str =
    "database is not configured: call database.configure('sqlite3', dataSource) first";

/// The savepoint that marks the start of a run within a transaction that an earlier run opened.
const SAVEPOINT: &str = "vm_system_run";

/// The database of one session.
pub(super) struct Database {
    worktree: Arc<Worktree>,
    open: Option<Open>,
    /// The state before the current run; `None` before its first call.
    mark: Option<Mark>,
    /// How much the current run has written to files.
    writes: Writes,
    /// Returns whether the current statement must end.
    is_interrupted: fn() -> bool,
    /// Waits for a lock, for the time with this number, and returns whether to try again.
    wait_for_lock: fn(i32) -> bool,
}

/// An open database.
struct Open {
    connection: Connection,
    /// The file; `None` for a database in memory.
    path: Option<PathBuf>,
}

/// The state before a run.
#[derive(Default)]
struct Mark {
    /// Whether the connection had an open transaction, in which a savepoint was set.
    has_savepoint: bool,
    /// The database that was open before the run closed it; `None` if the run has closed nothing.
    before: Option<Before>,
    /// Whether a statement of the run was interrupted. If such a statement writes, SQLite rolls the
    /// whole transaction back.
    was_interrupted: bool,
}

/// The database that was open before a run.
enum Before {
    /// None was open.
    Nothing,
    /// A database in memory, which is kept open: closing it would lose it.
    Memory(Open),
    /// A file. It was closed at once, because another process may wait for that, and it can be
    /// opened again.
    File(PathBuf),
}

impl Database {
    /// A database without a connection.
    pub(super) fn new(
        worktree: Arc<Worktree>,
        limits: WriteLimits,
        is_interrupted: fn() -> bool,
        wait_for_lock: fn(i32) -> bool,
    ) -> Self {
        Self {
            worktree,
            writes: Writes::new(limits),
            open: None,
            mark: None,
            is_interrupted,
            wait_for_lock,
        }
    }

    /// Carries a call out. Returns the answer and its body.
    pub(super) fn call(&mut self, call: &HostCall) -> (HostReply, Vec<u8>) {
        let mut body = Vec::new();
        let given = args::<Vec<Value>>(call, "query(sql, params)");
        let reply = given.and_then(|given| self.carry_out(call, &given, &mut body));
        if let Some(mark) = &mut self.mark
            && (self.is_interrupted)()
        {
            mark.was_interrupted = true;
        }
        (reply, body)
    }

    fn carry_out(&mut self, call: &HostCall, given: &[Value], body: &mut Vec<u8>) -> HostReply {
        match call.function.as_str() {
            "configure" => self.configure(call, given),
            "query" => {
                let (sql, parameters) = statement_of(given, &call.body)?;
                self.bounded(|database| database.query(sql, &parameters, body))
            }
            "exec" => {
                let (sql, parameters) = statement_of(given, &call.body)?;
                self.bounded(|database| database.exec(sql, &parameters))
            }
            "close" => {
                self.close();
                done()
            }
            "transaction" => self.transaction(given),
            "begin" => self.begin(),
            "keep" => self.keep(),
            "abandon" => self.abandon(),
            _ => Err(unknown_function(call)),
        }
    }

    /// Runs work on the database, and bounds what it writes to files.
    ///
    /// # Errors
    /// The errors of the work; `ENOSPC` where the work failed because it wrote too much.
    fn bounded(&mut self, work: impl FnOnce(&Self) -> HostReply) -> HostReply {
        let path = self.open.as_ref().and_then(|open| open.path.clone());
        let Some(path) = path else {
            return work(self);
        };
        let bound = self
            .writes
            .begin(&path)
            .map_err(|cause| error(cause.to_string()))?;
        let reply = work(self);
        self.writes.end(&bound);
        reply.map_err(|failure| bound.explain(failure, self.writes.limits()))
    }

    fn configure(&mut self, call: &HostCall, given: &[Value]) -> HostReply {
        let text = |index: usize| value::decode(given.get(index)?, &call.body).text();
        let (Some(driver), Some(source)) = (text(0), text(1)) else {
            return Err(error("use database.configure('sqlite3', dataSource)"));
        };
        if driver != "sqlite3" {
            return Err(error(format!(
                "the database driver {driver:?} is not supported: use 'sqlite3'"
            )));
        }
        // The earlier connection is closed first, so that the same file can be opened again.
        self.close();
        let path = match source {
            ":memory:" => None,
            file => Some(self.path_of(file)?),
        };
        let open = self
            .connect(path)
            .map_err(|cause| error(format!("{source:?} can't be opened: {}", reason(&cause))))?;
        self.open = Some(open);
        done()
    }

    /// The real path of a file of the worktree.
    fn path_of(&self, source: &str) -> Result<PathBuf, HostError> {
        let refused = |reason: FileError| error(format!("{source:?} can't be opened: {reason}"));
        let below = self.worktree.relative(source).map_err(refused)?;
        self.worktree.real_path(&below).map_err(refused)
    }

    /// Opens a file, or a new database in memory.
    fn connect(&self, path: Option<PathBuf>) -> rusqlite::Result<Open> {
        let connection = match &path {
            None => Connection::open_in_memory()?,
            // SQLite never takes an absolute path for a URI. NOFOLLOW refuses a link that was
            // created there after the path was resolved.
            Some(path) => Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_NOFOLLOW,
            )?,
        };
        restrict(&connection)?;
        connection.progress_handler(STEPS, Some(self.is_interrupted))?;
        connection.busy_handler(Some(self.wait_for_lock))?;
        Ok(Open { connection, path })
    }

    /// Closes the connection. The mark of the run keeps what was open before it.
    fn close(&mut self) {
        let closed = self.open.take();
        if let Some(mark) = &mut self.mark
            && mark.before.is_none()
        {
            mark.before = Some(match closed {
                None => Before::Nothing,
                Some(Open {
                    path: Some(path), ..
                }) => Before::File(path),
                Some(open) => Before::Memory(open),
            });
        }
    }

    fn query(&self, sql: &str, parameters: &Parameters, body: &mut Vec<u8>) -> HostReply {
        let connection = self.connection()?;
        let mut query = || -> rusqlite::Result<(Vec<Value>, usize)> {
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
                let (row, size) = object_of(row, &names, body)?;
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

    fn exec(&self, sql: &str, parameters: &Parameters) -> HostReply {
        let connection = self.connection()?;
        let exec = || -> rusqlite::Result<usize> {
            if parameters.is_empty() {
                // The text may hold several statements.
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
            "lastInsertId": value::integer(connection.last_insert_rowid()),
        }))
    }

    /// A step of `database.transaction`. The outermost one is a transaction, those inside it are
    /// savepoints.
    fn transaction(&self, given: &[Value]) -> HostReply {
        let step = given.first().and_then(Value::as_str);
        let depth = given.get(1).and_then(Value::as_u64);
        let (Some(step), Some(depth)) = (step, depth) else {
            return Err(error("use database.transaction(function)"));
        };
        let name = format!("vm_transaction_{depth}");
        let (sql, doing) = match (step, depth) {
            ("begin", 0) => ("BEGIN IMMEDIATE".to_owned(), "begun"),
            ("begin", _) => (format!("SAVEPOINT {name}"), "begun"),
            ("commit", 0) => ("COMMIT".to_owned(), "committed"),
            ("commit", _) => (format!("RELEASE {name}"), "committed"),
            (_, 0) => ("ROLLBACK".to_owned(), "rolled back"),
            (_, _) => (format!("ROLLBACK TO {name}; RELEASE {name}"), "rolled back"),
        };
        run(
            self.connection()?,
            &sql,
            &format!("the transaction can't be {doing}"),
        )?;
        done()
    }

    /// Marks the state before a run.
    fn begin(&mut self) -> HostReply {
        self.keep()?;
        self.writes.begin_run();
        let mut mark = Mark::default();
        if let Some(Open { connection, .. }) = &self.open
            && !connection.is_autocommit()
        {
            run(
                connection,
                &format!("SAVEPOINT {SAVEPOINT}"),
                "the transaction that is open can't be gone on with",
            )?;
            mark.has_savepoint = true;
        }
        self.mark = Some(mark);
        done()
    }

    /// Removes the mark of a run that the session keeps.
    fn keep(&mut self) -> HostReply {
        if let Some(mark) = self.mark.take()
            && mark.has_savepoint
            && mark.before.is_none()
            && let Some(Open { connection, .. }) = &self.open
            && !connection.is_autocommit()
        {
            // It fails if the run has ended the transaction and begun another one, which has no
            // savepoint.
            let _ = connection.execute_batch(&format!("RELEASE {SAVEPOINT}"));
        }
        done()
    }

    /// Goes back to the mark of a run that is rolled back.
    fn abandon(&mut self) -> HostReply {
        let Some(mark) = self.mark.take() else {
            return done();
        };
        match mark.before {
            None => {}
            Some(Before::Nothing) => self.open = None,
            Some(Before::Memory(open)) => self.open = Some(open),
            Some(Before::File(path)) => {
                // The database that the run has opened is closed first, because it may be the same
                // file.
                self.open = None;
                let open = self.connect(Some(path));
                self.open = Some(open.map_err(|cause| error(reason(&cause)))?);
                return done();
            }
        }
        let Some(Open { connection, .. }) = &self.open else {
            return done();
        };
        if mark.has_savepoint && mark.was_interrupted && connection.is_autocommit() {
            // SQLite may have rolled the transaction back although the run did not end it. The
            // connection is closed, so that the script gets an error.
            self.open = None;
            return done();
        }
        let back = format!("ROLLBACK TO {SAVEPOINT}; RELEASE {SAVEPOINT}");
        let is_back = connection.is_autocommit()
            || mark.has_savepoint && connection.execute_batch(&back).is_ok();
        if !is_back {
            run(connection, "ROLLBACK", "what the run did can't be undone")?;
        }
        done()
    }

    fn connection(&self) -> Result<&Connection, HostError> {
        let open = self.open.as_ref().ok_or_else(|| error(NOT_CONFIGURED))?;
        Ok(&open.connection)
    }
}

/// Runs SQL of the service's own. `failing` is the start of the error's message.
fn run(connection: &Connection, sql: &str, failing: &str) -> Result<(), HostError> {
    connection
        .execute_batch(sql)
        .map_err(|cause| error(format!("{failing}: {}", reason(&cause))))
}

/// The message of an error without the SQL text, which is the service's own.
fn reason(cause: &rusqlite::Error) -> String {
    let said = match cause {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        cause => cause.to_string(),
    };
    // The rest of the message is the savepoint's name, which is the service's own.
    if said.starts_with("no such savepoint") {
        return "it has ended already".into();
    }
    said
}

/// Disables what reaches other files, and keeps temporary tables in memory.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
    connection.authorizer(Some(authorize))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// The authorizer of statements: a statement may not attach other files, and may not set
/// `busy_timeout`, whose wait for a lock could not be interrupted. `VACUUM` attaches a database
/// without a name, which is in memory.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { filename: "" } => Authorization::Allow,
        // If the file name is an expression, SQLite reports the action without it.
        AuthAction::Attach { .. }
        | AuthAction::Unknown {
            code: ffi::SQLITE_ATTACH,
            ..
        } => Authorization::Deny,
        AuthAction::Pragma {
            pragma_name: "busy_timeout",
            ..
        } => Authorization::Ignore,
        _ => Authorization::Allow,
    }
}

/// Encodes a row. Returns it with about how many bytes it takes in the answer.
fn object_of(
    row: &Row<'_>,
    names: &[String],
    body: &mut Vec<u8>,
) -> rusqlite::Result<(Value, usize)> {
    let mut object = Map::new();
    let mut size = 0;
    for (index, name) in names.iter().enumerate() {
        let value = row.get_ref(index)?;
        size += name.len()
            + match value {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                _ => size_of::<Value>(),
            };
        object.insert(name.clone(), value_of(value, body));
    }
    Ok((value::object(object), size))
}

fn value_of(value: ValueRef<'_>, body: &mut Vec<u8>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => value::integer(integer),
        ValueRef::Real(real) => Number::from_f64(real).map_or(Value::Null, Value::Number),
        ValueRef::Text(text) => value::text(String::from_utf8_lossy(text), body),
        ValueRef::Blob(blob) => value::bytes(blob, body),
    }
}

fn too_much() -> HostError {
    error(format!(
        "the query has more than {MAX_ROWS} rows or {MAX_RESULT_BYTES} bytes: add a LIMIT"
    ))
}
