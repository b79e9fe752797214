//! Keeping the database small and sound, with the daemon at work.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use vm_system_tests::{Daemon, DaemonOptions, wait_for};

use crate::support::cli::output_of;

fn ops(daemon: &Daemon, args: &[&str]) -> Value {
    let printed = output_of(&mut daemon.cli(&[&["ops"], args].concat())).ok();
    serde_json::from_str(&printed).unwrap()
}

/// Makes what is stored older than it is.
fn age(daemon: &Daemon, table: &str, columns: &[&str], id: &str, by: Duration) {
    let connection = Connection::open(daemon.home().join("test.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    for column in columns {
        let changed = connection
            .execute(
                &format!("UPDATE {table} SET {column} = {column} - ? WHERE id = ?"),
                (i64::try_from(by.as_micros()).unwrap(), id),
            )
            .unwrap();
        assert_eq!(changed, 1);
    }
}

const DAYS_40: Duration = Duration::from_hours(40 * 24);

#[test]
fn old_records_are_removed_and_the_rest_stays() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let old = session.run("console.log('old')");
    let new = session.run("console.log('new')");
    let id = old["id"].as_str().unwrap();
    age(
        &daemon,
        "execution",
        &["started_at", "ended_at"],
        id,
        DAYS_40,
    );
    let ended = daemon.session();
    ended.run("1");
    ended.close();
    age(
        &daemon,
        "session",
        &["created_at", "closed_at"],
        &ended.id,
        DAYS_40,
    );
    let both = [
        "prune",
        "--retain-executions",
        "30d",
        "--retain-sessions",
        "30d",
    ];
    let would_go = json!({"sessions": 1, "executions": 2, "events": 5, "dry_run": true});
    assert_eq!(
        ops(&daemon, &[&both[..], &["--dry-run"]].concat()),
        would_go
    );
    daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_status(200);
    let went = json!({"sessions": 1, "executions": 2, "events": 5, "dry_run": false});
    assert_eq!(ops(&daemon, &both), went);
    daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_error(404, "EXECUTION_NOT_FOUND");
    daemon
        .api
        .get(&format!("/sessions/{}", ended.id))
        .expect_error(404, "SESSION_NOT_FOUND");
    assert_eq!(session.executions().len(), 1);
    assert_eq!(session.events(&new).len(), 3);
    assert_eq!(ops(&daemon, &["check"])["ok"], true);
    let nothing = json!({"sessions": 0, "executions": 0, "events": 0, "dry_run": false});
    assert_eq!(ops(&daemon, &both), nothing);
    daemon
        .api
        .post("/runtime/prune", &json!({}))
        .expect_error(400, "VALIDATION_ERROR");
    daemon
        .api
        .post("/runtime/prune", &json!({"retain": 1}))
        .expect_error(400, "INVALID_REQUEST");
}

#[test]
fn a_daemon_removes_executions_after_their_retention_time() {
    let daemon = Daemon::start_with(DaemonOptions {
        args: vec!["--retain-executions".into(), "1s".into()],
        ..DaemonOptions::default()
    });
    let session = daemon.session();
    session.run("1");
    wait_for("the execution to go", || {
        session.executions().is_empty().then_some(())
    });
    assert_eq!(session.eval("2"), "2");
}

#[test]
fn a_running_execution_is_never_removed() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let body = json!({"session_id": session.id, "input": "while (true);", "wait_ms": 0});
    let running = daemon
        .api
        .post("/executions/repl", &body)
        .expect_status(202);
    let id = running["id"].as_str().unwrap();
    age(&daemon, "execution", &["started_at"], id, DAYS_40);
    let nothing = json!({"sessions": 0, "executions": 0, "events": 0, "dry_run": false});
    assert_eq!(
        ops(&daemon, &["prune", "--retain-executions", "1d"]),
        nothing
    );
    daemon
        .api
        .post(&format!("/executions/{id}/cancel"), &json!({}))
        .expect_status(200);
}

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
    // It is a database like any other.
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(daemon.home().join("copy.db"), home.path().join("test.db")).unwrap();
    let other = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
    let id = first["id"].as_str().unwrap();
    let events = other
        .api
        .get(&format!("/executions/{id}/events"))
        .expect_status(200);
    assert_eq!(events.as_array().unwrap().len(), 1002);
    assert_eq!(ops(&other, &["check"])["ok"], true);
    // What is there already is not overwritten, and nothing else is left beside the database.
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
fn a_gap_in_an_event_log_is_found() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("console.log(1); console.log(2)");
    assert_eq!(ops(&daemon, &["check"])["problems"], json!([]));
    let connection = Connection::open(daemon.home().join("test.db")).unwrap();
    connection
        .execute("DELETE FROM event WHERE seq = 2", [])
        .unwrap();
    let checked = output_of(&mut daemon.cli(&["ops", "check"]));
    assert_eq!(checked.status, 1, "{}", checked.stderr);
    let report: Value = serde_json::from_str(&checked.stdout).unwrap();
    let problems = report["problems"].to_string();
    assert!(
        problems.contains(execution["id"].as_str().unwrap()),
        "{problems}"
    );
    assert!(problems.contains("without a gap"), "{problems}");
}

#[test]
fn the_space_of_removed_records_is_given_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for _ in 0..5 {
        session.run("for (let i = 0; i < 2000; i++) console.log('a line of some length', i)");
    }
    session.close();
    age(
        &daemon,
        "session",
        &["created_at", "closed_at"],
        &session.id,
        DAYS_40,
    );
    ops(&daemon, &["prune", "--retain-sessions", "1d"]);
    let vacuumed = ops(&daemon, &["vacuum"]);
    let number = |name: &str| vacuumed[name].as_u64().unwrap();
    assert!(
        number("bytes_after") * 2 < number("bytes_before"),
        "{vacuumed}"
    );
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

#[test]
fn the_wal_is_checkpointed_also_when_the_database_is_named_by_a_link() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("real.db"), "").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real.db"), home.path().join("test.db")).unwrap();
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
    let limits = json!({"max_output_kb": 100_000, "wall_ms": 60_000, "cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    let elsewhere = daemon.home().join("elsewhere");
    let bytes = |name: &str| std::fs::metadata(elsewhere.join(name)).unwrap().len();
    wait_for("the WAL to be checkpointed", || {
        session.run("for (let i = 0; i < 20000; i++) console.log('a line of some length', i)");
        (bytes("real.db") > 4_000_000).then_some(())
    });
    assert!(
        bytes("real.db-wal") < 64_000_000,
        "{}",
        bytes("real.db-wal")
    );
    std::fs::rename(elsewhere.join("real.db-wal"), elsewhere.join("away")).unwrap();
    session.submit("1").expect_error(503, "UNAVAILABLE");
}

#[test]
fn files_of_the_user_beside_the_database_stay() {
    let home = Daemon::start().stop();
    for name in ["test.db-backup-nightly", "test.db.old", ".vm-system-copy-1"] {
        std::fs::write(home.path().join(name), "mine").unwrap();
    }
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
    let copy = daemon.home().join("test.db-backup-weekly");
    output_of(&mut daemon.cli(&["ops", "backup", copy.to_str().unwrap()])).ok();
    let home = daemon.stop();
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
    assert!(copy.exists());
    for name in ["test.db-backup-nightly", "test.db.old", ".vm-system-copy-1"] {
        let kept = std::fs::read_to_string(daemon.home().join(name)).unwrap();
        assert_eq!(kept, "mine");
    }
}

#[test]
fn an_execution_with_many_events_goes_as_a_whole() {
    let daemon = Daemon::start();
    let limits =
        json!({"max_events": 50_000, "max_output_kb": 10_000, "wall_ms": 60_000, "cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    let old = session.run("for (let i = 0; i < 12000; i++) console.log(i)");
    let id = old["id"].as_str().unwrap();
    let times = ["started_at", "ended_at"];
    age(&daemon, "execution", &times, id, DAYS_40);
    let went = json!({"sessions": 0, "executions": 1, "events": 12_002, "dry_run": false});
    assert_eq!(ops(&daemon, &["prune", "--retain-executions", "30d"]), went);
    let report = json!({"ok": true, "problems": [], "executions": 0, "events": 0});
    assert_eq!(ops(&daemon, &["check"]), report);
}

#[test]
fn an_event_log_ends_before_events_that_could_not_be_written() {
    let daemon = Daemon::start();
    let limits = json!({"wall_ms": 120_000, "cpu_ms": 120_000, "max_events": 10_000_000, "max_output_kb": 1_000_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    session.run("globalThis.mark = 7");
    let code = "globalThis.mark = 8; for (let i = 0; ; i++) { console.log(i); for (let j = 0; j < 20000; j++); }";
    let running = session.start(code);
    let is_running = || {
        let newest = session.executions().into_iter().next()?;
        (newest["status"] == "running").then_some(newest)
    };
    let execution = wait_for("the execution to begin", is_running);
    wait_for("events to be stored", || {
        (!session.events(&execution).is_empty()).then_some(())
    });
    let (here, away) = (daemon.home().join("test.db"), daemon.home().join("away.db"));
    std::fs::rename(&here, &away).unwrap();
    wait_for("a write to fail", || {
        daemon
            .log()
            .contains("a transaction of the store failed")
            .then_some(())
    });
    std::fs::rename(&away, &here).unwrap();
    let answer = running.join().unwrap().expect_error(503, "UNAVAILABLE");
    assert!(
        answer.message().contains("is not the file any more")
            && answer.message().contains("the session is as it was before"),
        "{}",
        answer.message()
    );
    assert_eq!(session.eval("mark"), "7");
    let path = format!("/executions/{}", execution["id"].as_str().unwrap());
    let ended = wait_for("the record to be ended", || {
        let found = daemon.api.get(&path).expect_status(200);
        (found["status"] != "running").then_some(found)
    });
    assert_eq!(ended["status"], "error", "{ended}");
    assert_eq!(ended["error"]["rolled_back"], true, "{ended}");
    let report = ops(&daemon, &["check"]);
    assert_eq!(report["ok"], true, "{report}");
}

#[test]
fn a_session_that_can_not_start_is_never_listed_as_ready() {
    let daemon = Daemon::start();
    let template = daemon.template_with_libraries(&["not-there-1.0.0"]);
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            for _ in 0..20 {
                daemon
                    .request_session(&template)
                    .expect_error(422, "LIBRARY_UNAVAILABLE");
            }
        });
        while !failing.is_finished() {
            for query in ["", "?status=ready"] {
                let listed = daemon
                    .api
                    .get(&format!("/sessions{query}"))
                    .expect_status(200);
                let ready = |session: &Value| session["status"] == "ready";
                assert!(!listed.as_array().unwrap().iter().any(ready), "{listed}");
            }
        }
    });
}

#[test]
fn a_check_of_the_database_does_not_delay_other_requests() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.run("for (let i = 0; i < 2000; i++) console.log('a line', i)");
    std::thread::scope(|scope| {
        let checks: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| daemon.api.get("/runtime/check").expect_status(200)))
            .collect();
        for _ in 0..20 {
            session.record();
        }
        for check in checks {
            assert_eq!(check.join().unwrap()["ok"], true);
        }
    });
}
