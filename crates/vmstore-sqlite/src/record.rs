//! Decoding rows, and the treatment of unreadable ones.
//!
//! A disk can change what is stored, and so can other programs. A row with a column that can't be
//! decoded is *unreadable*: a read of it by its id fails with an error that names it, and a list
//! leaves it out and logs that.

use std::fmt;

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Error as SqliteError, Row, Rows};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;
use vmapi_types::{RawJson, Timestamp};
use vmcontrol::store::{OnUnreadable, UnreadableRecord};

use crate::error::DbError;

/// How many characters of a value an error shows.
const MAX_SHOWN_CHARS: usize = 80;

/// A row that is decoded column by column.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a, 'stmt> {
    table: &'static str,
    row: &'a Row<'stmt>,
    /// The id of the owner of a row that has no id of its own.
    owner: Option<Uuid>,
}

impl<'a, 'stmt> Record<'a, 'stmt> {
    /// A row of a table that has its id in the first column.
    pub(crate) fn new(table: &'static str, row: &'a Row<'stmt>) -> Self {
        Self {
            table,
            row,
            owner: None,
        }
    }

    /// A row without an id of its own. The first column tells the owner's rows apart.
    pub(crate) fn owned(table: &'static str, row: &'a Row<'stmt>, owner: Uuid) -> Self {
        Self {
            table,
            row,
            owner: Some(owner),
        }
    }

    /// The value of a column.
    pub(crate) fn get<T: FromSql>(&self, column: usize) -> Result<T, DbError> {
        self.row.get(column).map_err(|error| match error {
            SqliteError::InvalidColumnType(_, _, found) => {
                self.unreadable(column, format_args!("holds a value of the type {found}"))
            }
            SqliteError::IntegralValueOutOfRange(_, value) => {
                self.unreadable(column, format_args!("holds {value}"))
            }
            SqliteError::FromSqlConversionFailure(_, _, error) => {
                self.unreadable(column, format_args!("can't be decoded: {error}"))
            }
            SqliteError::Utf8Error(_, error) => {
                self.unreadable(column, format_args!("can't be decoded: {error}"))
            }
            error => error.into(),
        })
    }

    /// A text for which `parse` must have a value.
    pub(crate) fn parsed<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, DbError> {
        let text = self.text(column)?;
        parse(text).ok_or_else(|| self.unreadable(column, format_args!("holds {}", shown(text))))
    }

    /// An id.
    pub(crate) fn id(&self, column: usize) -> Result<Uuid, DbError> {
        self.parsed(column, |text| Uuid::parse_str(text).ok())
    }

    /// A time in the range that the API can show.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, DbError> {
        let micros = self.get(column)?;
        Timestamp::checked_from_micros(micros)
            .ok_or_else(|| self.unreadable(column, format_args!("holds {micros}")))
    }

    /// A time in the range that the API can show; `None` for `NULL`.
    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, DbError> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.time(column).map(Some)
    }

    /// A JSON text, unchanged.
    pub(crate) fn json(&self, column: usize) -> Result<RawJson, DbError> {
        RawValue::from_string(self.get(column)?)
            .map_err(|error| self.unreadable(column, format_args!("is not JSON: {error}")))
    }

    /// A JSON text, unchanged; `None` for `NULL`.
    pub(crate) fn optional_json(&self, column: usize) -> Result<Option<RawJson>, DbError> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.json(column).map(Some)
    }

    /// A JSON object.
    pub(crate) fn object<T: DeserializeOwned>(&self, column: usize) -> Result<T, DbError> {
        let text = self.text(column)?;
        // Serde would take an array for the fields in their order.
        if !text.trim_ascii_start().starts_with('{') {
            let what = shown(text);
            return Err(self.unreadable(column, format_args!("is not a JSON object: {what}")));
        }
        serde_json::from_str(text)
            .map_err(|error| self.unreadable(column, format_args!("can't be decoded: {error}")))
    }

    fn is_null(&self, column: usize) -> Result<bool, DbError> {
        Ok(matches!(self.row.get_ref(column)?, ValueRef::Null))
    }

    fn text(&self, column: usize) -> Result<&'a str, DbError> {
        let value = self.row.get_ref(column)?;
        let ValueRef::Text(bytes) = value else {
            let found = value.data_type();
            return Err(self.unreadable(column, format_args!("holds a value of the type {found}")));
        };
        str::from_utf8(bytes)
            .map_err(|error| self.unreadable(column, format_args!("can't be decoded: {error}")))
    }

    fn unreadable(&self, column: usize, what: fmt::Arguments<'_>) -> DbError {
        let statement: &rusqlite::Statement<'_> = self.row.as_ref();
        let name = statement.column_name(column).unwrap_or("?");
        let first = shown_value(self.row.get_ref(0).unwrap_or(ValueRef::Null));
        let (id, reason) = match self.owner {
            None => (first, format!("the column {name} {what}")),
            Some(owner) => (
                owner.to_string(),
                format!("{first}: the column {name} {what}"),
            ),
        };
        DbError::Unreadable(UnreadableRecord {
            table: self.table,
            id,
            reason,
        })
    }
}

/// A value that names a row: an id unchanged, any other value in a form that can be shown.
pub(crate) fn shown_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) if Uuid::parse_str(text).is_ok() => text.to_owned(),
            _ => shown(&String::from_utf8_lossy(bytes)),
        },
        ValueRef::Integer(number) => number.to_string(),
        other => format!("with a {}", other.data_type()),
    }
}

/// The beginning of a text, in quotation marks and with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    let mark = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{mark}")
}

/// The rows of a query that can be decoded; with [`OnUnreadable::Refuse`] all of them or an error.
pub(crate) fn collect<T>(
    mut rows: Rows<'_>,
    on_unreadable: OnUnreadable,
    decode: impl Fn(&Row<'_>) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    let mut decoded = Vec::new();
    let mut left_out = LeftOut::default();
    while let Some(row) = rows.next()? {
        match on_unreadable {
            OnUnreadable::LeaveOut => decoded.extend(left_out.readable(decode(row))?),
            OnUnreadable::Refuse => decoded.push(decode(row)?),
        }
    }
    Ok(decoded)
}

/// The rows that a list leaves out. When this is dropped, their number and the first are logged.
#[derive(Default)]
pub(crate) struct LeftOut {
    count: u64,
    first: Option<UnreadableRecord>,
}

impl LeftOut {
    /// The decoded value; `None` if the row is unreadable, which is counted.
    pub(crate) fn readable<T>(
        &mut self,
        decoded: Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(DbError::Unreadable(record)) => {
                self.count += 1;
                self.first.get_or_insert(record);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for LeftOut {
    fn drop(&mut self) {
        if let Some(first) = &self.first {
            tracing::warn!(
                count = self.count,
                %first,
                "unreadable rows are left out of a list: `vm-system ops check` names all of them"
            );
        }
    }
}
