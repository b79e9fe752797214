//! The unit of comparison: the time of one SQLite commit.

use rusqlite::Connection;

use crate::figures::Times;

/// Measures the time of committing one small row, in a new database.
pub(crate) fn measure() -> Times {
    let directory = tempfile::tempdir().expect("a directory");
    let connection = Connection::open(directory.path().join("commit.db")).expect("a database");
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (x TEXT);")
        .expect("a table");
    Times::of(300, || {
        connection
            .execute("INSERT INTO t VALUES (?1)", [".".repeat(200)])
            .expect("a commit");
    })
}
