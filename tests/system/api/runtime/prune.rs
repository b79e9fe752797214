//! Retention: `/runtime/prune` and `/runtime/vacuum`.

use serde_json::json;
use vm_system_tests::{Daemon, wait_for};

use crate::api::runtime::aged_records::{DAYS_40, age};
use crate::support::cli::ops_json;

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
        ops_json(&daemon, &[&both[..], &["--dry-run"]].concat()),
        would_go
    );
    daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_status(200);
    let went = json!({"sessions": 1, "executions": 2, "events": 5, "dry_run": false});
    assert_eq!(ops_json(&daemon, &both), went);
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
    assert_eq!(ops_json(&daemon, &["check"])["ok"], true);
    let nothing = json!({"sessions": 0, "executions": 0, "events": 0, "dry_run": false});
    assert_eq!(ops_json(&daemon, &both), nothing);
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
    let daemon = Daemon::start_with_args(&["--retain-executions", "1s"]);
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
        ops_json(&daemon, &["prune", "--retain-executions", "1d"]),
        nothing
    );
    daemon
        .api
        .post(&format!("/executions/{id}/cancel"), &json!({}))
        .expect_status(200);
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
    assert_eq!(
        ops_json(&daemon, &["prune", "--retain-executions", "30d"]),
        went
    );
    let report = json!({"ok": true, "problems": [], "executions": 0, "events": 0});
    assert_eq!(ops_json(&daemon, &["check"]), report);
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
    ops_json(&daemon, &["prune", "--retain-sessions", "1d"]);
    let vacuumed = ops_json(&daemon, &["vacuum"]);
    let number = |name: &str| vacuumed[name].as_u64().unwrap();
    assert!(
        number("bytes_after") * 2 < number("bytes_before"),
        "{vacuumed}"
    );
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}
