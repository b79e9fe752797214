//! Rows of the old database, column by column. A column that the database lacks counts as `NULL`.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;
use vmapi_types::{RawJson, Timestamp};

use super::source::{Source, quoted};
use super::{BadValue, Failure};
use crate::record::{shown, shown_value};

type Read<T> = Result<T, BadValue>;

/// The query for some columns of a table, with `rest` after the name of the table; `None` if the
/// table does not exist.
pub(super) fn query(
    source: &Source,
    table: &str,
    columns: &[&str],
    rest: &str,
) -> Result<Option<String>, Failure> {
    let found = source.columns(table).map_err(Failure::Source)?;
    if found.is_empty() {
        return Ok(None);
    }
    let wanted = columns.iter().map(|column| {
        if found.iter().any(|name| name.eq_ignore_ascii_case(column)) {
            quoted(column)
        } else {
            format!("NULL AS {}", quoted(column))
        }
    });
    let wanted: Vec<_> = wanted.collect();
    let (wanted, table) = (wanted.join(", "), quoted(table));
    Ok(Some(format!("SELECT {wanted} FROM {table} {rest}")))
}

/// A row of the old database. The first column has its own id or that of its owner.
pub(super) struct OldRow<'a, 'stmt> {
    row: &'a Row<'stmt>,
    columns: &'a [&'a str],
}

impl<'a, 'stmt> OldRow<'a, 'stmt> {
    /// A row of a query for these columns.
    pub(super) fn new(row: &'a Row<'stmt>, columns: &'a [&'a str]) -> Self {
        Self { row, columns }
    }

    /// The name of the row in a line of the report.
    pub(super) fn name(&self, table: &str) -> String {
        format!("{table} {}", shown_value(self.value(self.columns[0])))
    }

    /// The value of a column.
    pub(super) fn value(&self, column: &str) -> ValueRef<'a> {
        let position = self.columns.iter().position(|name| *name == column);
        // Callers name columns of the query, so there is a position.
        position.map_or(ValueRef::Null, |position| {
            self.row.get_ref(position).unwrap_or(ValueRef::Null)
        })
    }

    /// A text, which may be stored as bytes; `None` for `NULL`.
    pub(super) fn optional_text(&self, column: &str) -> Read<Option<&'a str>> {
        match self.value(column) {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => str::from_utf8(bytes)
                .map(Some)
                .map_err(|error| BadValue(format!("{column} is not a text: {error}"))),
            other => Err(BadValue(format!(
                "{column} is not a text but {}",
                shown_value(other)
            ))),
        }
    }

    /// A text; an empty one for `NULL`.
    pub(super) fn text(&self, column: &str) -> Read<String> {
        Ok(self.optional_text(column)?.unwrap_or_default().to_owned())
    }

    /// A text for which `parse` must have a value.
    pub(super) fn parsed<T>(&self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Read<T> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| BadValue(format!("unknown {column} {}", shown(&text))))
    }

    /// An id.
    pub(super) fn id(&self, column: &str) -> Read<Uuid> {
        let text = self.text(column)?;
        Uuid::parse_str(text.trim())
            .map_err(|_| BadValue(format!("{column} is not a UUID: {}", shown(&text))))
    }

    /// A whole number; `default` for `NULL`.
    pub(super) fn number(&self, column: &str, default: i64) -> Read<i64> {
        match self.value(column) {
            ValueRef::Null => Ok(default),
            ValueRef::Integer(number) => Ok(number),
            other => Err(BadValue(format!(
                "{column} is not a whole number but {}",
                shown_value(other)
            ))),
        }
    }

    /// A time, stored as whole seconds; `None` for `NULL`.
    pub(super) fn optional_time(&self, column: &str) -> Read<Option<Timestamp>> {
        if matches!(self.value(column), ValueRef::Null) {
            return Ok(None);
        }
        let seconds = self.number(column, 0)?;
        let micros = seconds.checked_mul(1_000_000);
        micros
            .and_then(Timestamp::checked_from_micros)
            .map(Some)
            .ok_or_else(|| BadValue(format!("{column} is no time: {seconds} seconds")))
    }

    /// A time, stored as whole seconds.
    pub(super) fn time(&self, column: &str) -> Read<Timestamp> {
        self.optional_time(column)?
            .ok_or_else(|| BadValue(format!("{column} is missing")))
    }

    /// JSON, unchanged; `None` for `NULL`, an empty text and `null`.
    pub(super) fn json(&self, column: &str) -> Read<Option<RawJson>> {
        let text = self.optional_text(column)?.unwrap_or_default().trim();
        if text.is_empty() || text == "null" {
            return Ok(None);
        }
        RawValue::from_string(text.to_owned())
            .map(Some)
            .map_err(|error| BadValue(format!("{column} is not JSON: {error}")))
    }

    /// JSON as a tree; `null` for `NULL` and an empty text.
    pub(super) fn json_value(&self, column: &str) -> Read<Value> {
        let json = self.json(column)?;
        json.map_or(Ok(Value::Null), |json| {
            serde_json::from_str(json.get())
                .map_err(|error| BadValue(format!("{column} can't be decoded: {error}")))
        })
    }

    /// A list of names; an empty one for `null`.
    pub(super) fn names(&self, column: &str) -> Read<Vec<String>> {
        let names: Option<Vec<String>> = serde_json::from_value(self.json_value(column)?)
            .map_err(|error| BadValue(format!("{column} is not a list of names: {error}")))?;
        Ok(names.unwrap_or_default())
    }
}
