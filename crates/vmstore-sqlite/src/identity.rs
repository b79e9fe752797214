//! Whose database a file is: vm-system's, the Go service's or another program's.

use std::path::Path;

use rusqlite::Connection;

use crate::error::OpenError;
use crate::schema;

/// Marks a database as vm-system's in the header field that SQLite has for that: the bytes `vmSy`.
pub(crate) const APPLICATION_ID: i64 = 0x766d_5379;

/// The first bytes of every SQLite database.
pub(crate) const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Tables by which a database of the Go service is recognised.
const TABLES_OF_GO_SERVICE: [&str; 2] = ["vm", "vm_session"];

/// Refuses another program's database and one with a newer schema; returns the version of the
/// schema, which is 0 for a new database.
pub(crate) fn check_owner(path: &Path, connection: &Connection) -> Result<i64, OpenError> {
    let sqlite_error = |source| OpenError::of_sqlite(path, source);
    let header = Header::read(connection).map_err(sqlite_error)?;
    let is_new = header.is_unmarked() && header.objects == 0;
    let known = schema::version();
    if header.application_id == APPLICATION_ID && header.user_version > known {
        Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found: header.user_version,
            known,
        })
    } else if header.application_id == APPLICATION_ID || is_new {
        Ok(header.user_version)
    } else if header.is_unmarked() && has_tables_of_go_service(connection).map_err(sqlite_error)? {
        Err(OpenError::GoService {
            path: path.to_owned(),
            real_path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        })
    } else {
        Err(OpenError::ForeignDatabase {
            path: path.to_owned(),
        })
    }
}

/// Whether a database was made by the Go service.
pub(crate) fn is_of_go_service(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(Header::read(connection)?.is_unmarked() && has_tables_of_go_service(connection)?)
}

fn has_tables_of_go_service(connection: &Connection) -> rusqlite::Result<bool> {
    let mut find =
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")?;
    for table in TABLES_OF_GO_SERVICE {
        if !find.exists([table])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The fields of a database's header that tell whose it is, and the size of its schema.
struct Header {
    /// 0 if no program has marked the database.
    application_id: i64,
    /// The version of the schema, if the database is vm-system's.
    user_version: i64,
    /// The number of tables, indices, views and triggers.
    objects: i64,
}

impl Header {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        let count = "SELECT count(*) FROM sqlite_schema";
        Ok(Self {
            objects: connection.query_row(count, [], |row| row.get(0))?,
            application_id: pragma("application_id")?,
            user_version: pragma("user_version")?,
        })
    }

    /// Whether no program has marked the database with an application id or a version.
    fn is_unmarked(&self) -> bool {
        self.application_id == 0 && self.user_version == 0
    }
}
