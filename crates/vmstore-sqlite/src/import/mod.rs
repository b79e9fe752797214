//! Importing a database of the Go service.
//!
//! Its tables have other names and columns, its times are whole seconds, and its values are not
//! checked. All rows that can be imported are written into a new database in one transaction. Each
//! row that can't is left out, with its reason in the report.

mod history;
mod source;
mod templates;
mod values;

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::Serialize;
use uuid::Uuid;
use vmapi_types::Timestamp;
use vmcontrol::failure_payload;
use vmcontrol::runtime::{self, FailureCode, HostModuleInfo};
use vmcontrol::store::StoreError;

use crate::error::{DbError, OpenError};
use crate::files::{WAL, WAL_INDEX, beside};
use crate::identity::check_owner;
use crate::lock::DatabaseLock;
use crate::read_only::ReadOnly;
use crate::{execution, open, session};
use source::Source;

/// The numbers of imported records, and what was not imported as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Templates, each with its settings.
    pub templates: u64,
    /// Capabilities.
    pub capabilities: u64,
    /// Startup files.
    pub startup_files: u64,
    /// Sessions.
    pub sessions: u64,
    /// The number of sessions among them that were open, and are closed now.
    pub sessions_closed: u64,
    /// Executions.
    pub executions: u64,
    /// The number of executions among them that were running, and have ended with an error now.
    pub executions_ended: u64,
    /// Events, without those that these ends added.
    pub events: u64,
    /// A line for each row that was not imported, with the reason.
    pub left_out: Vec<String>,
    /// A line for each imported value that has another meaning now.
    pub notes: Vec<String>,
}

/// Why nothing was imported. No file was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The old database can't be read.
    #[error("{} can't be imported: {reason}", path.display())]
    Source {
        /// The old database.
        path: PathBuf,
        /// The cause, with the remedy.
        reason: String,
    },
    /// The new database can't be opened.
    #[error(transparent)]
    Target(#[from] OpenError),
    /// The new database is not empty.
    #[error("{} is not empty: name a new file with --db", path.display())]
    NotEmpty {
        /// The new database.
        path: PathBuf,
    },
    /// The new database can't be written.
    #[error("the database {} can't be written", path.display())]
    Write {
        /// The new database.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
}

/// Imports the database of the Go service at `old` into a new one at `new`. `modules` are those of
/// the runtime, by which capabilities are checked. Blocks.
///
/// # Errors
/// See [`ImportError`].
pub fn import(
    old: &Path,
    new: &Path,
    modules: &[HostModuleInfo],
) -> Result<ImportReport, ImportError> {
    let source = Source::open(old)?;
    let target = Target::open(new)?;
    let brought = target.fill(&source, old, modules);
    target.close(brought.is_ok());
    brought
}

/// The new database while it is filled.
struct Target<'a> {
    path: &'a Path,
    connection: Connection,
    /// Released after the connection.
    lock: DatabaseLock,
    /// Whether the file did not exist, or was empty.
    is_new: bool,
}

impl<'a> Target<'a> {
    fn open(path: &'a Path) -> Result<Self, ImportError> {
        let is_there = path.exists();
        let is_new = !std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let lock = DatabaseLock::acquire(path)?;
        let opened = Self::check_empty(path, is_new).and_then(|()| {
            let opened = open::writer(path, &lock);
            opened.map_err(ImportError::from)
        });
        match opened {
            Ok(connection) => Ok(Self {
                path,
                connection,
                lock,
                is_new,
            }),
            Err(error) => {
                if !is_there {
                    // Taking the lock has created the file, which is empty.
                    let _ = std::fs::remove_file(path);
                }
                Err(match error {
                    // Such a file is not empty.
                    ImportError::Target(
                        OpenError::GoService { path, .. }
                        | OpenError::ForeignDatabase { path }
                        | OpenError::NotADatabase { path },
                    ) => ImportError::NotEmpty { path },
                    error => error,
                })
            }
        }
    }

    /// Refuses a file that is not empty, before anything is written to it.
    fn check_empty(path: &Path, is_new: bool) -> Result<(), ImportError> {
        if is_new {
            return Ok(());
        }
        let sqlite_error = |source| OpenError::Sqlite {
            path: path.to_owned(),
            source,
        };
        let real_path = path.canonicalize().map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
        let target = ReadOnly::open(&real_path, false)?;
        let version = check_owner(path, &target.connection)?;
        if version == 0 || is_empty(&target.connection).map_err(sqlite_error)? {
            Ok(())
        } else {
            Err(ImportError::NotEmpty {
                path: path.to_owned(),
            })
        }
    }

    /// Imports everything in one transaction.
    fn fill(
        &self,
        source: &Source,
        old: &Path,
        modules: &[HostModuleInfo],
    ) -> Result<ImportReport, ImportError> {
        let failed = |error: DbError| ImportError::Write {
            path: self.path.to_owned(),
            source: error.into(),
        };
        let run = |sql| self.connection.execute_batch(sql).map_err(DbError::from);
        run("BEGIN IMMEDIATE").map_err(failed)?;
        let mut import = Import {
            source,
            modules,
            target: &self.connection,
            report: ImportReport::default(),
            templates: HashSet::new(),
            sessions: HashSet::new(),
        };
        import.all().map_err(|error| match error {
            Failure::Source(error) => ImportError::Source {
                path: old.to_owned(),
                reason: error.to_string(),
            },
            Failure::Target(error) => failed(error),
        })?;
        let report = import.report;
        run("COMMIT").map_err(failed)?;
        Ok(report)
    }

    /// Closes the database, which checkpoints the WAL. If the import failed, a file that did not
    /// exist before is removed.
    fn close(self, is_filled: bool) {
        drop(self.connection);
        if !is_filled && self.is_new {
            for ending in ["", WAL, WAL_INDEX] {
                // SQLite usually removes the last two with the connection.
                let _ = std::fs::remove_file(beside(self.path, ending));
            }
        }
        drop(self.lock);
    }
}

/// Whether a database has neither templates nor sessions.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM template) AND NOT EXISTS (SELECT 1 FROM session)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Why the import as a whole failed.
enum Failure {
    /// The old database can't be read to its end.
    Source(rusqlite::Error),
    /// The new database can't be written.
    Target(DbError),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Target(error)
    }
}

/// A running import.
struct Import<'a> {
    source: &'a Source,
    /// The host modules that the runtime has, by which capabilities are checked.
    modules: &'a [HostModuleInfo],
    target: &'a Connection,
    report: ImportReport,
    /// The imported templates.
    templates: HashSet<Uuid>,
    /// The imported sessions.
    sessions: HashSet<Uuid>,
}

impl Import<'_> {
    fn all(&mut self) -> Result<(), Failure> {
        self.templates()?;
        self.settings_of_nothing()?;
        self.capabilities()?;
        self.startup_files()?;
        self.sessions()?;
        self.executions()?;
        self.events_of_nothing()?;
        self.end_unfinished()
    }

    /// Ends the executions and sessions that the Go service had not ended, as the start of a daemon
    /// does.
    fn end_unfinished(&mut self) -> Result<(), Failure> {
        let now = Timestamp::now();
        let failure = runtime::Failure {
            code: FailureCode::RuntimeCrashed,
            message: "this ran when its database was imported, and the session is gone".into(),
        };
        let error = failure_payload(&failure, true);
        let ended = execution::end_running(self.target, now, &error)?;
        let closed = session::close_open(
            self.target,
            now,
            "the session was open when its database was imported",
        )?;
        self.report.executions_ended = ended as u64;
        self.report.sessions_closed = closed as u64;
        Ok(())
    }

    /// Adds a row that is not imported to the report.
    fn leave_out(&mut self, row: impl Display, reason: impl Display) {
        self.report.left_out.push(format!("{row}: {reason}"));
    }

    /// Whether a row was written. A row that the new database refuses is left out.
    ///
    /// # Errors
    /// When the write failed for another reason.
    fn wrote(&mut self, row: impl Display, outcome: Result<(), DbError>) -> Result<bool, Failure> {
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if error.is_constraint() => {
                self.leave_out(row, "another row has its id, its name or its path");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What is wrong with a value of the old database.
#[derive(Debug)]
struct BadValue(String);

impl Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
