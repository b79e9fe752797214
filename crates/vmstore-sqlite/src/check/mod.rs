//! Whether a database is sound: the damage that SQLite finds, rows that can't be decoded, and rows
//! that contradict each other.
//!
//! Damage must not end the search for more damage. Each rule is checked by itself, and a rule that
//! can't be checked to its end is a problem as well.

mod file;
mod rows;
mod rules;

use std::collections::HashSet;
use std::fmt::Display;

use rusqlite::Connection;
use uuid::Uuid;
use vmapi_types::CheckReport;

pub use file::check_file;

use crate::error::DbError;
use crate::schema;

/// The largest number of listed problems of one rule.
const MAX_PROBLEMS: usize = 100;

/// The executions that are running in a daemon, which writes their ends and those of their sessions
/// in any order.
pub(crate) enum Running<'a> {
    /// A function that gives them, as of the time of the call.
    Known(&'a dyn Fn() -> HashSet<Uuid>),
    /// Another process has the database, and may have some.
    Unknown,
}

/// Checks a database that has the newest schema.
///
/// # Errors
/// When the database can't be reached, or the check is not wanted any more. Damage is not an error.
pub(crate) fn check(
    connection: &Connection,
    running: &Running<'_>,
) -> Result<CheckReport, DbError> {
    let mut findings = Findings::default();
    integrity(connection, &mut findings)?;
    check_records(connection, running, &mut findings)?;
    Ok(findings.into_report())
}

/// The damage that SQLite finds.
fn integrity(connection: &Connection, findings: &mut Findings) -> Result<(), DbError> {
    findings.rule("the integrity of the file", |problems| {
        let mut check = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
        let mut said = check.query([])?;
        while let Some(row) = said.next()? {
            let said: String = row.get(0)?;
            for line in said.lines().filter(|line| *line != "ok") {
                problems.add(line);
            }
        }
        Ok(())
    })
}

/// Checks all rules that need the newest schema.
fn check_records(
    connection: &Connection,
    running: &Running<'_>,
    findings: &mut Findings,
) -> Result<(), DbError> {
    findings.rule("the schema", |problems| {
        for object in schema::missing(connection)? {
            problems.add(object);
        }
        Ok(())
    })?;
    rows::check(connection, findings)?;
    rules::check(connection, running, findings)
}

/// The problems that were found, and the numbers of checked rows.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    executions: u64,
    events: u64,
}

impl Findings {
    /// Checks one rule. Damage that prevents the check is a problem of its own.
    fn rule(
        &mut self,
        name: &str,
        search: impl FnOnce(&mut Problems) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut problems = Problems::default();
        let searched = search(&mut problems);
        if problems.left_out > 0 {
            let more = format!("{name}: {} problems more", problems.left_out);
            problems.listed.push(more);
        }
        self.problems.append(&mut problems.listed);
        match searched {
            Ok(()) => Ok(()),
            Err(
                error @ (DbError::Damaged(_)
                | DbError::Io(_)
                | DbError::Unreadable(_)
                | DbError::Sql(_)),
            ) => {
                let why = with_cause(&error);
                self.problems
                    .push(format!("{name}: it can't be looked at to the end: {why}"));
                Ok(())
            }
            Err(error @ (DbError::Full | DbError::Unreachable(_) | DbError::Closed)) => Err(error),
        }
    }

    fn into_report(self) -> CheckReport {
        CheckReport {
            ok: self.problems.is_empty(),
            problems: self.problems,
            executions: self.executions,
            events: self.events,
        }
    }
}

/// The problems of one rule.
#[derive(Default)]
struct Problems {
    /// The first ones.
    listed: Vec<String>,
    /// The number of those that are not listed.
    left_out: u64,
}

impl Problems {
    fn add(&mut self, problem: impl Display) {
        if self.listed.len() < MAX_PROBLEMS {
            self.listed.push(problem.to_string());
        } else {
            self.left_out += 1;
        }
    }
}

/// The text of the cause of an error, or of the error itself.
fn with_cause(error: &DbError) -> String {
    match error {
        DbError::Damaged(reason) | DbError::Io(reason) => reason.clone(),
        DbError::Sql(source) => source.to_string(),
        error => error.to_string(),
    }
}
