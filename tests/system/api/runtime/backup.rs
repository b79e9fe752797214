//! Backups of the database by a running daemon.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use vm_system_tests::Daemon;

use crate::support::cli::{ops_json, output_of};

#[test]
fn a_copy_is_made_while_the_daemon_writes() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let first = session.run("for (let i = 0; i < 1000; i++) console.log('before', i)");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for _ in 0..30 {
                session.run("console.log('meanwhile')");
            }
        });
        let copy = daemon.home().join("copy.db");
        let said = output_of(&mut daemon.cli(&["ops", "backup", copy.to_str().unwrap()])).ok();
        assert!(said.starts_with("Wrote "), "{said}");
        writing.join().unwrap();
    });
    // The copy is a complete database.
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(daemon.home().join("copy.db"), home.path().join("test.db")).unwrap();
    let other = Daemon::start_in(home);
    let id = first["id"].as_str().unwrap();
    let events = other
        .api
        .get(&format!("/executions/{id}/events"))
        .expect_status(200);
    assert_eq!(events.as_array().unwrap().len(), 1002);
    assert_eq!(ops_json(&other, &["check"])["ok"], true);
    // A file that exists is not overwritten, and no other file is left beside the database.
    let copy = daemon.home().join("copy.db");
    let refused = output_of(&mut daemon.cli(&["ops", "backup", copy.to_str().unwrap()]));
    assert!(
        refused.stderr.contains("there already"),
        "{}",
        refused.stderr
    );
    let mut names: Vec<_> = std::fs::read_dir(daemon.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "copy.db",
            "daemon.log",
            "test.db",
            "test.db-shm",
            "test.db-wal",
            "worktree"
        ]
    );
}

#[test]
fn a_copy_may_have_a_name_that_is_not_utf_8() {
    let daemon = Daemon::start();
    let copy = daemon.home().join(OsStr::from_bytes(b"copy-\xff.db"));
    let said = output_of(daemon.cli(&["ops", "backup"]).arg(&copy)).ok();
    assert!(said.contains("copy-\u{fffd}.db"), "{said}");
    assert!(copy.exists());
}

#[test]
fn files_of_the_user_beside_the_database_stay() {
    let home = Daemon::start().stop();
    for name in ["test.db-backup-nightly", "test.db.old", ".vm-system-copy-1"] {
        std::fs::write(home.path().join(name), "mine").unwrap();
    }
    let daemon = Daemon::start_in(home);
    let copy = daemon.home().join("test.db-backup-weekly");
    output_of(&mut daemon.cli(&["ops", "backup", copy.to_str().unwrap()])).ok();
    let home = daemon.stop();
    let daemon = Daemon::start_in(home);
    assert!(copy.exists());
    for name in ["test.db-backup-nightly", "test.db.old", ".vm-system-copy-1"] {
        let kept = std::fs::read_to_string(daemon.home().join(name)).unwrap();
        assert_eq!(kept, "mine");
    }
}
