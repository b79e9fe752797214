//! What has an id, whatever it is.

use rusqlite::Connection;
use vmapi_types::{IdKind, Identified};

use super::StoreError;
use super::template::parse_id;

/// The ids that begin with a text, at most `limit` of each kind.
pub(crate) fn like(
    connection: &Connection,
    prefix: &str,
    limit: usize,
) -> Result<Vec<Identified>, StoreError> {
    // No character of an id comes after `f`.
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
        let rows = statement.query_map((prefix, &end, limit), |row| row.get::<_, String>(0))?;
        for id in rows {
            let id = parse_id("id", &id?)?;
            found.push(Identified { id, kind });
        }
    }
    Ok(found)
}
