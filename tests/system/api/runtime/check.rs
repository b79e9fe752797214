//! `/runtime/check`: the damage that a check of the database finds.

use rusqlite::Connection;
use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::support::cli::{ops_json, output_of};

#[test]
fn a_gap_in_an_event_log_is_found() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("console.log(1); console.log(2)");
    assert_eq!(ops_json(&daemon, &["check"])["problems"], json!([]));
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
