//! Opening a database: other programs' files, locks, versions and paths.

use std::path::Path;

use rusqlite::Connection;

use crate::{LockError, OpenError, SqliteStore};

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path)
}

fn refused(path: &Path) -> String {
    let Err(error) = open(path) else {
        panic!("{} was opened", path.display());
    };
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    text
}

#[test]
fn a_second_holder_is_refused_with_the_first_ones_process_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let _first = open(&path).unwrap();
    let second = open(&path);
    let Err(OpenError::Lock(LockError::Held { holder, .. })) = &second else {
        panic!("it was opened");
    };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(refused(&path).contains(&std::process::id().to_string()));
}

#[test]
fn files_of_other_programs_are_refused_and_left_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database at all").unwrap();
    assert!(refused(&text).contains("not an SQLite database"));
    assert_eq!(std::fs::read(&text).unwrap(), b"not a database at all");

    let foreign = dir.path().join("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    connection.close().unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(refused(&foreign).contains("another program"));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
}

#[test]
fn a_file_of_zeros_alone_is_left_to_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    std::fs::write(&path, [0; 4096]).unwrap();
    assert!(refused(&path).contains("not an SQLite database"));
    // A loss of power in the first transaction may leave a longer file, and the journal of an empty
    // one.
    let whole = dir.path().join("whole.db");
    let connection = Connection::open(&whole).unwrap();
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(200000))")
        .unwrap();
    std::fs::copy(
        dir.path().join("whole.db-journal"),
        dir.path().join("a.db-journal"),
    )
    .unwrap();
    let length = std::fs::metadata(&whole).unwrap().len();
    assert!(length > 0);
    std::fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    drop(open(&path).unwrap());
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    drop(open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    assert!(refused(&path).contains("schema 99"));
}

#[test]
fn a_missing_directory_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let text = refused(&dir.path().join("missing/a.db"));
    assert!(text.contains("does not exist"), "{text}");
}

#[test]
fn the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let _store = open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
