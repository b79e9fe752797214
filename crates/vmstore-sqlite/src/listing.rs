//! Portions of a table, read from the newest row to the oldest or in the other direction.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use uuid::Uuid;
use vmcontrol::store::{Page, Portion};

use crate::error::DbError;
use crate::record::LeftOut;

/// A portion of a table that has the columns `n`, ascending with the age of the rows, and `id`.
pub(crate) struct Listing<'a> {
    pub(crate) table: &'a str,
    pub(crate) columns: &'a str,
    /// Conditions with one parameter each. A condition whose value is `None` is left out.
    pub(crate) filters: Vec<(&'a str, Option<String>)>,
    pub(crate) page: Page,
    /// How many bytes the columns of the rows may take.
    pub(crate) max_bytes: usize,
}

impl Listing<'_> {
    /// Reads the portion; `None` when the row that it begins at does not exist. Unreadable rows are
    /// left out.
    pub(crate) fn read<T>(
        &self,
        connection: &Connection,
        of: impl Fn(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<Portion<T>>, DbError> {
        let (table, columns) = (self.table, self.columns);
        let mut sql = format!("SELECT {columns} FROM {table} WHERE true");
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        for (condition, value) in &self.filters {
            if let Some(value) = value {
                sql.push_str(&[" AND (", condition, ")"].concat());
                values.push(Box::new(value.clone()));
            }
        }
        for (operator, cursor) in [("<", self.page.before), (">", self.page.after)] {
            if let Some(id) = cursor {
                let Some(number) = number_of(connection, table, id)? else {
                    return Ok(None);
                };
                sql.push_str(&[" AND n ", operator, " ?"].concat());
                values.push(Box::new(number));
            }
        }
        let is_ascending = self.page.is_ascending();
        let order = if is_ascending { "ASC" } else { "DESC" };
        // The statement has no limit, since rows that are left out don't count.
        sql.push_str(&[" ORDER BY n ", order].concat());
        let mut statement = connection.prepare_cached(&sql)?;
        let count = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut portion = Portion::default();
        let mut left_out = LeftOut::default();
        while let Some(row) = rows.next()? {
            let sizes = (0..count).map(|column| row.get_ref(column).map(size_of_value));
            let bytes = sizes.sum::<Result<usize, _>>()?;
            if !portion.has_room(bytes, self.page.limit as usize, self.max_bytes) {
                break;
            }
            portion.items.extend(left_out.readable(of(row))?);
        }
        if is_ascending {
            portion.items.reverse();
        }
        Ok(Some(portion))
    }
}

/// Ids in the form that `IN (…)` takes.
pub(crate) fn listed(ids: &[Uuid]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}

/// The size of a value, in bytes.
pub(crate) fn size_of_value(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => size_of::<i64>(),
    }
}

/// The number of a row; `None` if no row has the id.
fn number_of(connection: &Connection, table: &str, id: Uuid) -> Result<Option<i64>, DbError> {
    Ok(connection
        .prepare_cached(&format!("SELECT n FROM {table} WHERE id = ?"))?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?)
}
