//! Lists that are given in portions.

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

/// How many bytes the items of a portion may take, about. An item that is larger is a portion by itself.
const PORTION_BYTES: usize = 16 * 1024 * 1024;

/// A portion of a list.
#[derive(Clone, Debug)]
pub struct Portion<T> {
    /// Newest first; events by number.
    pub items: Vec<T>,
    /// Whether there are more in the direction in which the list was gone through. A portion of large items ends before its
    /// limit.
    pub has_more: bool,
    /// What the items take, in bytes, about.
    pub bytes: usize,
    /// How large the next item is that had no room, in bytes; `None` if the portion ends for another reason.
    pub(crate) left_out_bytes: Option<usize>,
}

impl<T> Portion<T> {
    /// A portion without items.
    pub(super) fn empty() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
            bytes: 0,
            left_out_bytes: None,
        }
    }

    /// The first of these items.
    pub(crate) fn cut(mut items: Vec<T>, limit: usize) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        Self {
            items,
            has_more,
            ..Self::empty()
        }
    }

    /// The same portion of what its items are made into.
    pub(crate) fn map<U>(self, make: impl FnMut(T) -> U) -> Portion<U> {
        Portion {
            items: self.items.into_iter().map(make).collect(),
            has_more: self.has_more,
            bytes: self.bytes,
            left_out_bytes: self.left_out_bytes,
        }
    }

    /// Whether there is room for another item within a number of items and of bytes; notes what is left out.
    pub(super) fn has_room(&mut self, item_bytes: usize, limit: usize, max_bytes: usize) -> bool {
        if self.items.len() >= limit {
            self.has_more = true;
        } else if self.bytes + item_bytes > max_bytes {
            self.has_more = true;
            self.left_out_bytes = Some(item_bytes);
        } else {
            self.bytes += item_bytes;
        }
        !self.has_more
    }

    /// The portion, unless more bytes would have given a larger one.
    pub(crate) fn within(self, max_bytes: usize) -> Within<Self> {
        match self.left_out_bytes {
            Some(bytes) if self.items.is_empty() || max_bytes < PORTION_BYTES => {
                Within::Needs(bytes.max(PORTION_BYTES))
            }
            _ => Within::Fits(self),
        }
    }
}

/// What was read within a number of bytes.
#[derive(Debug)]
pub(crate) enum Within<T> {
    /// It fits.
    Fits(T),
    /// It takes so many.
    Needs(usize),
}

/// What is asked of a table with the columns `n`, ascending, and `id`.
pub(super) struct Listing<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'a str,
    /// Conditions with one parameter, that count where there is a value for it.
    pub(super) filters: Vec<(&'a str, Option<String>)>,
    pub(super) page: Page,
    /// How many bytes the items may take.
    pub(super) max_bytes: usize,
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
        let mut portion = Portion::empty();
        let mut left_out = LeftOut::default();
        while let Some(row) = rows.next()? {
            let sizes = (0..count).map(|column| row.get_ref(column).map(size_of_value));
            let bytes = sizes.sum::<Result<usize, _>>()?;
            if !portion.has_room(bytes, self.page.limit as usize, self.max_bytes) {
                break;
            }
            portion.items.extend(left_out.readable(of(row))?);
        }
        if is_upwards {
            portion.items.reverse();
        }
        Ok(Some(portion))
    }
}

/// Ids as they stand between the parentheses of an `IN`.
pub(super) fn listed(ids: &[Uuid]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("'{id}'")).collect();
    quoted.join(", ")
}

pub(super) fn size_of_value(value: ValueRef<'_>) -> usize {
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
