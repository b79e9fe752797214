//! The write-ahead log of the database, and writes that fail.

use serde_json::json;
use vm_system_tests::{Daemon, wait_for};

use crate::support::cli::ops_json;

#[test]
fn the_wal_is_checkpointed_also_when_the_database_is_named_by_a_link() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("real.db"), "").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real.db"), home.path().join("test.db")).unwrap();
    let daemon = Daemon::start_in(home);
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
    let report = ops_json(&daemon, &["check"]);
    assert_eq!(report["ok"], true, "{report}");
}
