//! Whether a database is sound: what SQLite sees of damage, whether every row can be decoded, and whether what the rows say
//! together can be.
//!
//! Damage must not end the search for more of it. Each rule is looked at by itself, and one that can't be looked at to its end
//! is a problem like any other.

mod file;
mod rows;
mod rules;

use std::collections::HashSet;
use std::fmt::Display;

use rusqlite::Connection;
use uuid::Uuid;
use vmapi_types::CheckReport;

pub use file::check_file;

use super::{StoreError, schema};

/// How many problems a rule tells.
const MAX_PROBLEMS: usize = 100;

/// What the check knows of the executions that a daemon has in hand: what it writes of them and of their sessions comes in any
/// order.
pub(crate) enum Live<'a> {
    /// Those that this gives, as of the moment when it is asked.
    Known(&'a dyn Fn() -> HashSet<Uuid>),
    /// There may be some.
    Unknown,
}

/// Looks whether a database with the newest schema is sound.
///
/// # Errors
/// When it can't be reached, or the check is not wanted any more. Damage is not an error.
pub(crate) fn check(connection: &Connection, live: &Live<'_>) -> Result<CheckReport, StoreError> {
    let mut findings = Findings::default();
    integrity(connection, &mut findings)?;
    look_at_records(connection, live, &mut findings)?;
    Ok(findings.into_report())
}

/// What SQLite sees of damage.
fn integrity(connection: &Connection, findings: &mut Findings) -> Result<(), StoreError> {
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

/// All that can be said once the file has the newest schema.
fn look_at_records(
    connection: &Connection,
    live: &Live<'_>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    findings.rule("the schema", |problems| {
        for object in schema::missing(connection)? {
            problems.add(object);
        }
        Ok(())
    })?;
    rows::look(connection, findings)?;
    rules::look(connection, live, findings)
}

/// What was found.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    executions: u64,
    events: u64,
}

impl Findings {
    /// Looks at one rule. Damage that keeps it from being looked at is a problem of its own.
    fn rule(
        &mut self,
        name: &str,
        look: impl FnOnce(&mut Problems) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut problems = Problems::default();
        let looked = look(&mut problems);
        if problems.left_out > 0 {
            let more = format!("{name}: {} problems more", problems.left_out);
            problems.told.push(more);
        }
        self.problems.append(&mut problems.told);
        match looked {
            Ok(()) => Ok(()),
            Err(
                error @ (StoreError::Damaged(_)
                | StoreError::Io(_)
                | StoreError::Unreadable(_)
                | StoreError::Sql(_)),
            ) => {
                let why = with_cause(&error);
                self.problems
                    .push(format!("{name}: it can't be looked at to the end: {why}"));
                Ok(())
            }
            Err(error @ (StoreError::Full | StoreError::Unreachable(_) | StoreError::Closed)) => {
                Err(error)
            }
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

/// The problems of one rule, as many as are told.
#[derive(Default)]
struct Problems {
    told: Vec<String>,
    left_out: u64,
}

impl Problems {
    fn add(&mut self, problem: impl Display) {
        if self.told.len() < MAX_PROBLEMS {
            self.told.push(problem.to_string());
        } else {
            self.left_out += 1;
        }
    }
}

/// An error with what caused it, where that says more.
fn with_cause(error: &StoreError) -> String {
    match error {
        StoreError::Damaged(reason) | StoreError::Io(reason) => reason.clone(),
        StoreError::Sql(source) => source.to_string(),
        error => error.to_string(),
    }
}
