//! How a row is decoded, and what becomes of one that can't be.
//!
//! A disk can change what is stored, and so can other programs. A row whose columns do not hold what they must is
//! *unreadable*: asked for by its id it is an error that names it, and a list leaves it out and tells the log.

use std::fmt;

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Error as SqliteError, Row, Rows};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;
use vmapi_types::{RawJson, Timestamp};

use super::StoreError;

/// How many characters of a value an error repeats.
const MAX_SHOWN_CHARS: usize = 80;

/// A row that can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRecord {
    /// Its table.
    pub table: &'static str,
    /// Its id. Rows without one have the id of what they belong to: an event its execution's.
    pub id: String,
    /// What is wrong with it; names the column.
    pub reason: String,
}

impl fmt::Display for UnreadableRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.id, self.reason)
    }
}

/// A row that is decoded column by column.
#[derive(Clone, Copy)]
pub(super) struct Record<'a, 'stmt> {
    table: &'static str,
    row: &'a Row<'stmt>,
    owner: Option<Uuid>,
}

impl<'a, 'stmt> Record<'a, 'stmt> {
    /// A row of a table, with its id in the first column.
    pub(super) fn new(table: &'static str, row: &'a Row<'stmt>) -> Self {
        Self {
            table,
            row,
            owner: None,
        }
    }

    /// A row without an id of its own: the first column says which of its owner's rows it is.
    pub(super) fn owned(table: &'static str, row: &'a Row<'stmt>, owner: Uuid) -> Self {
        Self {
            table,
            row,
            owner: Some(owner),
        }
    }

    /// The value of a column.
    pub(super) fn get<T: FromSql>(&self, column: usize) -> Result<T, StoreError> {
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

    /// A text that must be one of those that `parse` knows.
    pub(super) fn parsed<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        parse(text).ok_or_else(|| self.unreadable(column, format_args!("holds {}", shown(text))))
    }

    /// An id.
    pub(super) fn id(&self, column: usize) -> Result<Uuid, StoreError> {
        self.parsed(column, |text| Uuid::parse_str(text).ok())
    }

    /// A moment that the API can show.
    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        let micros = self.get(column)?;
        Timestamp::checked_from_micros(micros)
            .ok_or_else(|| self.unreadable(column, format_args!("holds {micros}")))
    }

    /// A moment that the API can show; `None` for `NULL`.
    pub(super) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.time(column).map(Some)
    }

    /// A JSON text, as it is.
    pub(super) fn json(&self, column: usize) -> Result<RawJson, StoreError> {
        RawValue::from_string(self.get(column)?)
            .map_err(|error| self.unreadable(column, format_args!("is not JSON: {error}")))
    }

    /// A JSON text, as it is; `None` for `NULL`.
    pub(super) fn optional_json(&self, column: usize) -> Result<Option<RawJson>, StoreError> {
        if self.is_null(column)? {
            return Ok(None);
        }
        self.json(column).map(Some)
    }

    /// A JSON object.
    pub(super) fn object<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        let text = self.text(column)?;
        // An array of values would be taken for the fields in their order.
        if !text.trim_ascii_start().starts_with('{') {
            let what = shown(text);
            return Err(self.unreadable(column, format_args!("is not a JSON object: {what}")));
        }
        serde_json::from_str(text)
            .map_err(|error| self.unreadable(column, format_args!("can't be decoded: {error}")))
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(matches!(self.row.get_ref(column)?, ValueRef::Null))
    }

    fn text(&self, column: usize) -> Result<&'a str, StoreError> {
        let value = self.row.get_ref(column)?;
        let ValueRef::Text(bytes) = value else {
            let found = value.data_type();
            return Err(self.unreadable(column, format_args!("holds a value of the type {found}")));
        };
        str::from_utf8(bytes)
            .map_err(|error| self.unreadable(column, format_args!("can't be decoded: {error}")))
    }

    fn unreadable(&self, column: usize, what: fmt::Arguments<'_>) -> StoreError {
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
        StoreError::Unreadable(UnreadableRecord {
            table: self.table,
            id,
            reason,
        })
    }
}

/// What names a row: an id as it stands there, and everything else so that it can be shown.
pub(super) fn shown_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) if Uuid::parse_str(text).is_ok() => text.to_owned(),
            _ => shown(&String::from_utf8_lossy(bytes)),
        },
        ValueRef::Integer(number) => number.to_string(),
        other => format!("with a {}", other.data_type()),
    }
}

/// The beginning of a text, between quotation marks and without control characters.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    let mark = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{mark}")
}

/// What becomes of the unreadable rows that belong to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnreadable {
    /// They are left out: the caller shows what there is.
    LeaveOut,
    /// The first is an error: the caller acts on all of them, and one may forbid something.
    Refuse,
}

/// All rows of a query that can be decoded.
pub(super) fn collect<T>(
    mut rows: Rows<'_>,
    on_unreadable: OnUnreadable,
    decode: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
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

/// What a list leaves out; the log hears of it when this is dropped.
#[derive(Default)]
pub(super) struct LeftOut {
    count: u64,
    first: Option<UnreadableRecord>,
}

impl LeftOut {
    /// What was decoded, or nothing if that row is unreadable.
    pub(super) fn readable<T>(
        &mut self,
        decoded: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(StoreError::Unreadable(record)) => {
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
