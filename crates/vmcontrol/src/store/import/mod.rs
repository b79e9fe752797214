//! Bringing a database of the Go service over.
//!
//! Its tables have other names and columns, its times are whole seconds, and nothing says that a row holds what it should. All
//! that can be brought over goes into a new database in one transaction. What can't is left out row by row, each with its reason,
//! and so the old database is the better one to keep until somebody has read that.

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

pub(super) use source::is_of_go_service;

use super::error::{OpenError, StoreError};
use super::files::beside;
use super::read_only::ReadOnly;
use super::{execution, open, session};
use crate::execution::failure::failure_payload;
use crate::runtime::{FailureCode, HostModuleInfo};
use source::Source;

/// What was brought over.
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
    /// Those of them that were open, and are closed now.
    pub sessions_closed: u64,
    /// Executions.
    pub executions: u64,
    /// Those of them that ran, and have ended with an error now.
    pub executions_ended: u64,
    /// Events, without those that such an end added.
    pub events: u64,
    /// What was not brought over, and why: a line for each row.
    pub left_out: Vec<String>,
    /// What is not as it was, or means something else now.
    pub notes: Vec<String>,
}

/// Why nothing was brought over. No file has changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The old database can't be read.
    #[error("{} can't be imported: {reason}", path.display())]
    Source {
        /// The old database.
        path: PathBuf,
        /// Why, with the remedy.
        reason: String,
    },
    /// The new database can't be opened.
    #[error(transparent)]
    Target(#[from] OpenError),
    /// The new database has something in it.
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
        /// Why.
        source: StoreError,
    },
}

/// Brings the database of the Go service at `old` over into a new one at `new`. `modules` are those of
/// the runtime. Blocks.
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
    /// Given back after the connection.
    lock: super::lock::DatabaseLock,
    /// Whether there was no such file, or one without anything in it.
    is_new: bool,
}

impl<'a> Target<'a> {
    fn open(path: &'a Path) -> Result<Self, ImportError> {
        let is_there = path.exists();
        let is_new = !std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let lock = super::lock::DatabaseLock::acquire(path)?;
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
                    // It was made by the lock, and holds nothing.
                    let _ = std::fs::remove_file(path);
                }
                Err(match error {
                    // All of these have something in them.
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

    /// Refuses a file with something in it, before anything is written to it.
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
        let version = open::check_owner(path, &target.connection)?;
        if version == 0 || is_empty(&target.connection).map_err(sqlite_error)? {
            Ok(())
        } else {
            Err(ImportError::NotEmpty {
                path: path.to_owned(),
            })
        }
    }

    /// Brings everything over in one transaction.
    fn fill(
        &self,
        source: &Source,
        old: &Path,
        modules: &[HostModuleInfo],
    ) -> Result<ImportReport, ImportError> {
        let failed = |source| ImportError::Write {
            path: self.path.to_owned(),
            source,
        };
        let run = |sql| self.connection.execute_batch(sql).map_err(StoreError::from);
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

    /// Writes everything into the database file; or leaves no file where there was none.
    fn close(self, is_filled: bool) {
        // Of a transaction that was not committed nothing is left.
        drop(self.connection);
        if !is_filled && self.is_new {
            for end in ["", super::files::LOG, "-shm"] {
                // The last two went with the connection.
                let _ = std::fs::remove_file(beside(self.path, end));
            }
        }
        drop(self.lock);
    }
}

/// Whether nothing was ever stored in a database.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM template) AND NOT EXISTS (SELECT 1 FROM session)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Why the import as a whole failed.
enum Failure {
    /// The old database can't be read on.
    Source(rusqlite::Error),
    /// The new one can't be written.
    Target(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Target(error)
    }
}

/// An import under way.
struct Import<'a> {
    source: &'a Source,
    /// The host modules that the runtime has, by which capabilities are checked.
    modules: &'a [HostModuleInfo],
    target: &'a Connection,
    report: ImportReport,
    /// The templates that were brought over.
    templates: HashSet<Uuid>,
    /// The sessions that were brought over.
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
        self.settle()
    }

    /// Ends what the service had not ended, as the start of a daemon does.
    fn settle(&mut self) -> Result<(), Failure> {
        let now = Timestamp::now();
        let error = failure_payload(
            FailureCode::RuntimeCrashed,
            "this ran when its database was imported, and the session is gone",
            true,
        );
        let ended = execution::settle(self.target, now, &error)?;
        let closed = session::settle(
            self.target,
            now,
            "the session was open when its database was imported",
        )?;
        self.report.executions_ended = ended as u64;
        self.report.sessions_closed = closed as u64;
        Ok(())
    }

    /// Notes a row that is not brought over.
    fn leave_out(&mut self, row: impl Display, reason: impl Display) {
        self.report.left_out.push(format!("{row}: {reason}"));
    }

    /// What a write came to: a row that the new database does not take is left out, too.
    fn wrote(
        &mut self,
        row: impl Display,
        outcome: Result<(), StoreError>,
    ) -> Result<bool, Failure> {
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
