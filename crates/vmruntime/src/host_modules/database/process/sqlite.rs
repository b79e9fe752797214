//! SQLite databases inside the worktree or in memory. A session has one connection at a time, which ends with it.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, ffi};
use serde_json::{Map, Number, Value, json};
use vmcontrol::{FileError, Worktree, WriteLimits};

use super::parameters::{Parameters, statement_of};
use super::writes::Writes;
use crate::host_modules::{answer, args, done, unknown_function};
use crate::ipc::value;
use crate::ipc::{HostCall, HostError, HostReply};

/// The most rows that one query can hand to a script.
const MAX_ROWS: usize = 100_000;

/// The most that one query can hand to a script, in bytes.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

/// The most that its answer may take as JSON, in bytes, without the bytes and long texts in it.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The longest message of an error, in bytes: SQLite repeats in it what it was given.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// The most memory that one value or statement may take in SQLite, in bytes.
const MAX_LENGTH_BYTES: i32 = 16 * 1024 * 1024;

/// After how many steps of a statement the caller may be found to be gone: about a millisecond.
const STEPS: i32 = 100_000;

const NOT_CONFIGURED: &str =
    "database is not configured: call database.configure('sqlite3', dataSource) first";

/// The savepoint that the part of a run in a transaction of an earlier one begins with.
const SAVEPOINT: &str = "vm_system_run";

/// The database of one session.
pub(super) struct Database {
    worktree: Arc<Worktree>,
    open: Option<Open>,
    /// What a run that has called, and has not ended, goes back to.
    mark: Option<Mark>,
    /// How much of the files is written.
    writes: Writes,
    /// Whether whoever calls does not wait for the statement any more.
    is_called_away: fn() -> bool,
    /// Waits for a lock, and says whether to try again.
    wait_for_lock: fn(i32) -> bool,
}

/// A connection.
struct Open {
    connection: Connection,
    /// The file, unless it is in memory.
    path: Option<PathBuf>,
}

#[derive(Default)]
struct Mark {
    /// Whether the connection had a transaction, and has a savepoint in it.
    has_savepoint: bool,
    /// What the run has put another connection in the place of, or none.
    before: Option<Before>,
    /// Whether a statement of the run was cut short, which costs the whole transaction if it writes.
    was_interrupted: bool,
}

/// What was open before.
enum Before {
    Nothing,
    /// A database in memory, which is kept.
    Memory(Open),
    /// A file. It is closed at once: others may need it so, and it can be opened anew.
    File(PathBuf),
}

impl Database {
    pub(super) fn new(
        worktree: Arc<Worktree>,
        limits: WriteLimits,
        is_called_away: fn() -> bool,
        wait_for_lock: fn(i32) -> bool,
    ) -> Self {
        Self {
            worktree,
            writes: Writes::new(limits),
            open: None,
            mark: None,
            is_called_away,
            wait_for_lock,
        }
    }

    /// Does what is asked for; gives the answer and its body.
    pub(super) fn call(&mut self, call: &HostCall) -> (HostReply, Vec<u8>) {
        let mut body = Vec::new();
        let given = args::<Vec<Value>>(call, "query(sql, params)");
        let reply = given.and_then(|given| self.carry_out(call, &given, &mut body));
        if let Some(mark) = &mut self.mark
            && (self.is_called_away)()
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

    /// Does something to the database, which writes no more to its files than it may.
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
        // The earlier connection is closed first, so that a file can be opened anew.
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

    /// Where a file really is.
    fn path_of(&self, source: &str) -> Result<PathBuf, HostError> {
        let refused = |reason: FileError| error(format!("{source:?} can't be opened: {reason}"));
        let below = self.worktree.relative(source).map_err(refused)?;
        self.worktree.real_path(&below).map_err(refused)
    }

    /// Opens a file, or a new database in memory.
    fn connect(&self, path: Option<PathBuf>) -> rusqlite::Result<Open> {
        let connection = match &path {
            None => Connection::open_in_memory()?,
            // An absolute path is never taken for a URI; NOFOLLOW refuses a link that was put there just now.
            Some(path) => Connection::open_with_flags(
                path,
                OpenFlags::SQLITE_OPEN_READ_WRITE
                    | OpenFlags::SQLITE_OPEN_CREATE
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_NOFOLLOW,
            )?,
        };
        restrict(&connection)?;
        connection.progress_handler(STEPS, Some(self.is_called_away))?;
        connection.busy_handler(Some(self.wait_for_lock))?;
        Ok(Open { connection, path })
    }

    /// Closes the connection; what the run found is noted.
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
            "lastInsertId": value::integer(connection.last_insert_rowid()),
        }))
    }

    /// A step of `database.transaction`, so many transactions deep: in the outermost one those inside are savepoints.
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

    /// Begins the part of a run: from here on it can be taken back.
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

    /// Ends the part of a run whose session keeps what it did.
    fn keep(&mut self) -> HostReply {
        if let Some(mark) = self.mark.take()
            && mark.has_savepoint
            && mark.before.is_none()
            && let Some(Open { connection, .. }) = &self.open
            && !connection.is_autocommit()
        {
            // The run may have ended the transaction, and begun another one.
            let _ = connection.execute_batch(&format!("RELEASE {SAVEPOINT}"));
        }
        done()
    }

    /// Takes back what a run did that is rolled back: to transactions that have not ended, and to what is open.
    fn abandon(&mut self) -> HostReply {
        let Some(mark) = self.mark.take() else {
            return done();
        };
        match mark.before {
            None => {}
            Some(Before::Nothing) => self.open = None,
            Some(Before::Memory(open)) => self.open = Some(open),
            Some(Before::File(path)) => {
                // First what the run has open, which may be the same file.
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
            // It may be gone without the run's having ended it. That must not go unnoticed.
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

/// Runs SQL of the service's own; `failing` says what could not be done.
fn run(connection: &Connection, sql: &str, failing: &str) -> Result<(), HostError> {
    connection
        .execute_batch(sql)
        .map_err(|cause| error(format!("{failing}: {}", reason(&cause))))
}

/// What SQLite says of the service's own SQL, without that: a script can do nothing about it.
fn reason(cause: &rusqlite::Error) -> String {
    let said = match cause {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        cause => cause.to_string(),
    };
    // It goes on with the name.
    if said.starts_with("no such savepoint") {
        return "it has ended already".into();
    }
    said
}

/// Takes away what reaches beyond the one file, and keeps temporary files out of the file system.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
    connection.authorizer(Some(authorize))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Lets a statement attach no other file. `VACUUM` attaches a database without a name, which is where all is that is temporary.
/// How long a lock is waited for stays as it is: SQLite's own way to wait does not hear that nobody waits for the statement.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { filename: "" } => Authorization::Allow,
        // Of a name that is no plain string nothing is said here.
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

/// A row as it travels, and about how much it takes in the answer.
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

pub(super) fn error(message: impl Into<String>) -> HostError {
    let mut message = message.into();
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push_str("...");
    }
    HostError::new(message)
}
