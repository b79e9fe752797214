//! Lists that are given in portions, newest first.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use uuid::Uuid;

use super::StoreError;
use super::record::LeftOut;

/// Which portion of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many at most.
    pub limit: u32,
    /// Only those that are older than this one.
    pub before: Option<Uuid>,
    /// Only those that are newer than this one: the nearest of them, if there are more than fit.
    pub after: Option<Uuid>,
}

/// How many bytes the rows of a portion may take, about: it is built in memory, and as JSON beside that.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A portion of a list.
#[derive(Clone, Debug)]
pub struct Portion<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Whether there are more in the direction in which the list was gone through. A portion of large items ends before its
    /// limit.
    pub has_more: bool,
}

/// What is asked of a table with the columns `n`, ascending, and `id`.
pub(super) struct Listing<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'a str,
    /// Conditions with one parameter, that count where there is a value for it.
    pub(super) filters: Vec<(&'a str, Option<String>)>,
    pub(super) page: Page,
}

impl Listing<'_> {
    /// Reads the portion; nothing when the row that it begins at is not there. Unreadable rows are left out.
    pub(super) fn read<T>(
        &self,
        connection: &Connection,
        of: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<Portion<T>>, StoreError> {
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
        let is_upwards = self.page.after.is_some() && self.page.before.is_none();
        let order = if is_upwards { "ASC" } else { "DESC" };
        // Without a limit: rows that are left out do not count.
        sql.push_str(&[" ORDER BY n ", order].concat());
        let mut statement = connection.prepare_cached(&sql)?;
        let count = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut items, mut bytes, mut has_more) = (Vec::new(), 0, false);
        let mut left_out = LeftOut::default();
        while let Some(row) = rows.next()? {
            let Some(item) = left_out.readable(of(row))? else {
                continue;
            };
            let sizes = (0..count).map(|column| row.get_ref(column).map(size_of_value));
            bytes += sizes.sum::<Result<usize, _>>()?;
            has_more =
                items.len() == self.page.limit as usize || bytes > MAX_BYTES && !items.is_empty();
            if has_more {
                break;
            }
            items.push(item);
        }
        if is_upwards {
            items.reverse();
        }
        Ok(Some(Portion { items, has_more }))
    }
}

/// Ids as they stand between the parentheses of an `IN`.
pub(super) fn listed(ids: &[Uuid]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}

fn size_of_value(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => size_of::<i64>(),
    }
}

fn number_of(connection: &Connection, table: &str, id: Uuid) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached(&format!("SELECT n FROM {table} WHERE id = ?"))?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?)
}
