//! The check whether every row can be decoded by the functions with which the service reads.

use rusqlite::{Connection, Row};
use uuid::Uuid;
use vmcontrol::NameList;

use super::{Findings, Problems};
use crate::error::DbError;
use crate::record::{Record, shown_value};
use crate::{event, execution, session, template};

/// Decodes all rows of all tables.
pub(super) fn check(connection: &Connection, findings: &mut Findings) -> Result<(), DbError> {
    table(connection, findings, "template", template::COLUMNS, |row| {
        template::template_of(row).map(drop)
    })?;
    for list in [NameList::Modules, NameList::Libraries] {
        let name = template::table_of(list);
        table(connection, findings, name, "template_id, name", |row| {
            let record = Record::new(name, row);
            record.id(0)?;
            record.get::<String>(1).map(drop)
        })?;
    }
    let columns = template::CAPABILITY_COLUMNS;
    table(connection, findings, "capability", columns, |row| {
        template::capability_of(row).map(drop)
    })?;
    let columns = template::STARTUP_FILE_COLUMNS;
    table(connection, findings, "startup_file", columns, |row| {
        template::startup_file_of(row).map(drop)
    })?;
    table(connection, findings, "session", session::COLUMNS, |row| {
        session::session_of(row).map(drop)
    })?;
    let columns = execution::COLUMNS;
    findings.executions = table(connection, findings, "execution", columns, |row| {
        execution::execution_of(row).map(drop)
    })?;
    table(connection, findings, "execution", "id, request", |row| {
        let record = Record::new("execution", row);
        record.get::<Option<String>>(1).map(drop)
    })?;
    findings.events = events(connection, findings)?;
    Ok(())
}

/// Decodes the rows of one table; returns how many there are.
fn table(
    connection: &Connection,
    findings: &mut Findings,
    name: &str,
    columns: &str,
    decode: impl Fn(&Row<'_>) -> Result<(), DbError>,
) -> Result<u64, DbError> {
    let mut count = 0;
    findings.rule(&format!("the rows of the table {name}"), |problems| {
        let mut all = connection.prepare(&format!("SELECT {columns} FROM {name}"))?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            count += 1;
            add_unreadable(decode(row), problems)?;
        }
        Ok(())
    })?;
    Ok(count)
}

/// Decodes all events; returns how many there are.
fn events(connection: &Connection, findings: &mut Findings) -> Result<u64, DbError> {
    let mut count = 0;
    findings.rule("the rows of the table event", |problems| {
        let columns = event::COLUMNS;
        let number = columns.split(',').count();
        let mut all = connection.prepare(&format!("SELECT {columns}, execution_n FROM event"))?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            count += 1;
            // The execution is sought only for an unreadable event.
            let decoded = event::event_of(row, Uuid::nil()).map(drop);
            add_unreadable(
                decoded.map_err(|error| match error {
                    DbError::Unreadable(mut record) => {
                        record.id = execution_named(connection, row, number);
                        DbError::Unreadable(record)
                    }
                    error => error,
                }),
                problems,
            )?;
        }
        Ok(())
    })?;
    Ok(count)
}

/// The id of the execution whose number a column has; the number itself if the id can't be read.
fn execution_named(connection: &Connection, row: &Row<'_>, column: usize) -> String {
    let number: Result<i64, _> = row.get(column);
    let id = number.and_then(|number| {
        connection
            .prepare_cached("SELECT id FROM execution WHERE n = ?")?
            .query_row([number], |row| Ok(shown_value(row.get_ref(0)?)))
    });
    id.unwrap_or_else(|_| {
        let number = row.get_ref(column).map(shown_value);
        format!(
            "of the execution number {}",
            number.unwrap_or_else(|_| "?".into())
        )
    })
}

/// Adds an unreadable row to the problems.
///
/// # Errors
/// Every other error: it concerns the whole table.
fn add_unreadable(decoded: Result<(), DbError>, problems: &mut Problems) -> Result<(), DbError> {
    match decoded {
        Ok(()) => Ok(()),
        Err(DbError::Unreadable(record)) => {
            problems.add(record);
            Ok(())
        }
        Err(error) => Err(error),
    }
}
