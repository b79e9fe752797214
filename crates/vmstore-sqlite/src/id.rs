//! Ids of records of all kinds.

use rusqlite::Connection;
use vmapi_types::{IdKind, Identified};

use crate::error::DbError;
use crate::record::{LeftOut, Record};

/// The ids that begin with `prefix`, at most `limit` of each kind.
pub(crate) fn like(
    connection: &Connection,
    prefix: &str,
    limit: usize,
) -> Result<Vec<Identified>, DbError> {
    // No character of an id sorts after `f`.
    let end = format!("{prefix}g");
    let mut found = Vec::new();
    for kind in IdKind::ALL {
        let table = match kind {
            IdKind::Template => "template",
            IdKind::Capability => "capability",
            IdKind::StartupFile => "startup_file",
            IdKind::Session => "session",
            IdKind::Execution => "execution",
        };
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        ))?;
        let mut rows = statement.query((prefix, &end, limit))?;
        let mut left_out = LeftOut::default();
        while let Some(row) = rows.next()? {
            let id = left_out.readable(Record::new(table, row).id(0))?;
            found.extend(id.map(|id| Identified { id, kind }));
        }
    }
    Ok(found)
}
