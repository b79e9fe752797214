//! The yardstick.

use std::path::Path;

use rusqlite::Connection;

use crate::figures::Times;

/// Times commits of one small row, in a database of its own in that directory.
pub(crate) fn measure(directory: &Path) -> Times {
    let connection = Connection::open(directory.join("commit.db")).expect("a database");
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (x TEXT);")
        .expect("a table");
    Times::of(500, || {
        connection
            .execute("INSERT INTO t VALUES (?1)", [".".repeat(200)])
            .expect("a commit");
    })
}
