//! How `serve` refuses a database that it can't use or an address that it can't bind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use vm_system_tests::{Daemon, command};

use crate::support::cli::{CliOutput, output_of};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

/// Starts a daemon that must not start.
fn serve(db: &Path, listen: &str) -> CliOutput {
    let home = directory();
    let mut serve = command();
    serve
        .args(["serve", "--log-level", "off", "--listen", listen, "--db"])
        .arg(db)
        .current_dir(home.path());
    output_of(&mut serve)
}

/// Checks that the daemon refuses a database by its path and leaves it as it was.
#[track_caller]
fn assert_refused(db: &Path, part: &str) {
    let before = fs::read(db).ok();
    let ran = serve(db, "127.0.0.1:0");
    let error = ran.error(1);
    assert!(
        error.contains(db.to_str().unwrap()),
        "the path is not named: {error}"
    );
    assert!(error.contains(part), "{part:?} is not said: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(fs::read(db).ok(), before, "the file has changed");
    for suffix in ["-wal", "-shm", "-journal"] {
        let beside = format!("{}{suffix}", db.display());
        assert!(!Path::new(&beside).exists(), "{beside} is left");
    }
}

#[test]
fn a_second_daemon_on_a_database_is_refused_with_the_first_ones_process_id() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let db = daemon.home().join("test.db");
    let ran = serve(&db, "127.0.0.1:0");
    let error = ran.error(1);
    assert!(error.contains(&daemon.pid().to_string()), "{error}");
    assert!(error.contains(db.to_str().unwrap()), "{error}");
    assert_eq!(session.eval("6 * 7"), "42");
}

#[test]
fn a_database_is_free_again_once_its_daemon_is_gone() {
    let home = Daemon::start().kill();
    let daemon = Daemon::start_in(home);
    assert_eq!(daemon.session().eval("1"), "1");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let home = directory();
    let db = home.path().join("foreign.db");
    let connection = Connection::open(&db).unwrap();
    connection
        .execute_batch("CREATE TABLE session (id); INSERT INTO session VALUES (1)")
        .unwrap();
    drop(connection);
    assert_refused(&db, "another program");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let home = directory();
    for (name, content) in [
        (
            "notes.txt",
            "these are my notes, and they are longer than a header\n".repeat(40),
        ),
        ("short", "x".to_owned()),
    ] {
        let db = home.path().join(name);
        fs::write(&db, content).unwrap();
        assert_refused(&db, "not an SQLite database");
    }
}

#[test]
fn a_directory_is_refused_as_a_database() {
    let home = directory();
    let db = home.path().join("directory");
    fs::create_dir(&db).unwrap();
    let ran = serve(&db, "127.0.0.1:0");
    assert!(
        ran.error(1).contains(db.to_str().unwrap()),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let daemon = Daemon::start();
    daemon.session();
    let home = daemon.stop();
    let db = home.path().join("test.db");
    let connection = Connection::open(&db).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    // The WAL is checkpointed, so that the database file has all changes.
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(connection);
    assert_refused(&db, "99");
}

#[test]
fn a_missing_directory_is_named() {
    let home = directory();
    let db = home.path().join("missing/test.db");
    assert_refused(&db, "does not exist");
    assert!(!home.path().join("missing").exists());
}

/// Whether file permissions do not restrict this user.
fn can_write_everywhere() -> bool {
    let home = directory();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let everywhere = fs::write(home.path().join("probe"), "").is_ok();
    if everywhere {
        println!("skipped: this user can write everywhere");
    }
    everywhere
}

#[test]
fn a_read_only_directory_is_named() {
    if can_write_everywhere() {
        return;
    }
    let home = directory();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert_refused(&home.path().join("test.db"), "can't be written");
    // The WAL of an existing database can't be created beside it.
    let daemon = Daemon::start();
    daemon.session();
    let used = daemon.stop();
    fs::set_permissions(used.path(), fs::Permissions::from_mode(0o555)).unwrap();
    assert_refused(&used.path().join("test.db"), "can't be written");
    fs::set_permissions(used.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_read_only_database_is_named() {
    if can_write_everywhere() {
        return;
    }
    let daemon = Daemon::start();
    daemon.session();
    let used = daemon.stop();
    let db = used.path().join("test.db");
    fs::set_permissions(&db, fs::Permissions::from_mode(0o444)).unwrap();
    assert_refused(&db, "can't be written");
}

#[test]
fn an_address_in_use_is_named_and_the_new_database_serves_later() {
    let daemon = Daemon::start();
    let address = daemon.server().trim_start_matches("http://").to_owned();
    let home = directory();
    let ran = serve(&home.path().join("other.db"), &address);
    let error = ran.error(1);
    assert!(error.contains(&address), "{error}");
    assert!(error.contains("--listen"), "{error}");
    daemon.session();
}

#[test]
fn an_invalid_address_is_named() {
    let home = directory();
    let ran = serve(&home.path().join("other.db"), "nowhere");
    assert!(matches!(ran.status, 1 | 2), "{ran:?}");
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn the_database_can_be_read_by_its_owner_alone() {
    let daemon = Daemon::start();
    daemon.session().eval("1");
    for entry in fs::read_dir(daemon.home()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("test.db") {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        }
    }
}
