//! Transactions and locks of an execution that is rolled back.

use serde_json::json;
use vm_system_tests::Daemon;

#[test]
fn a_transaction_that_a_rolled_back_run_left_open_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["database"]));
    session.eval(
        "var db = require('database'); db.configure('sqlite3', 'a.db'); db.exec('CREATE TABLE t (x)'); 1",
    );
    let execution =
        session.run("db.exec('BEGIN'); db.exec('INSERT INTO t VALUES (1)'); while (true);");
    assert_eq!(execution["status"], "timeout", "{execution}");
    // The connection is the same, and its transaction is gone: another one can begin.
    let count = "db.query('SELECT count(*) AS n FROM t')[0].n";
    assert_eq!(session.eval(&format!("db.exec('BEGIN'); {count}")), "0");
    session.eval("db.exec('INSERT INTO t VALUES (2)'); db.exec('COMMIT'); 1");
    assert_eq!(session.eval(count), "1");
}

#[test]
fn a_transaction_that_a_rolled_back_run_left_open_locks_no_other_session_out() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["database"]);
    let (one, other) = (daemon.session_of(&template), daemon.session_of(&template));
    let open = "var db = require('database'); db.configure('sqlite3', 'a.db'); 1";
    one.eval(open);
    one.eval("db.exec('CREATE TABLE t (x)'); 1");
    other.eval(open);
    let execution = one.run("db.exec('BEGIN EXCLUSIVE'); while (true);");
    assert_eq!(execution["status"], "timeout", "{execution}");
    // The lock is released without another call of the session that held it.
    vm_system_tests::wait_for("the lock", || {
        let inserted = other.run("db.exec('INSERT INTO t VALUES (1)')");
        (inserted["status"] == "ok").then_some(())
    });
}

#[test]
fn a_statement_that_waits_for_a_lock_does_nothing_once_its_run_is_over() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["database"]);
    let (one, other) = (daemon.session_of(&template), daemon.session_of(&template));
    for session in [&one, &other] {
        session.eval(
            "var db = require('database'); db.configure('sqlite3', 'a.db'); db.exec('PRAGMA busy_timeout = 60000; CREATE TABLE IF NOT EXISTS t (x)'); 1",
        );
    }
    other.eval("db.exec('BEGIN EXCLUSIVE'); 1");
    let limits = json!({"session_id": one.id, "input": "db.exec('INSERT INTO t VALUES (1)')", "limits": {"wall_ms": 300}});
    let execution = daemon
        .api
        .post("/executions/repl", &limits)
        .expect_status(201);
    assert_eq!(execution["status"], "timeout", "{execution}");
    // After the answer, no statement of the execution waits for the lock any more.
    other.eval("db.exec('COMMIT'); 1");
    let count = "db.query('SELECT count(*) AS n FROM t')[0].n";
    assert_eq!(one.eval(count), "0");
    assert_eq!(other.eval(count), "0");
}

#[test]
fn a_transaction_persists_from_one_execution_to_the_next() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["database"]));
    session.eval(
        "var db = require('database'); db.configure('sqlite3', ':memory:'); db.exec('CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)'); 1",
    );
    session.run("throw new Error('an ordinary end')");
    assert_eq!(
        session.eval("db.exec('ROLLBACK'); db.query('SELECT count(*) AS n FROM t')[0].n"),
        "0"
    );
}

#[test]
fn a_roll_back_restores_the_state_of_a_database() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["database"]));
    session.eval(
        "var db = require('database'); db.configure('sqlite3', ':memory:'); db.exec('CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)'); 1",
    );
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for code in [
        "while (true);",
        "db.exec('INSERT INTO t VALUES (2)'); while (true);",
        "db.configure('sqlite3', 'other.db'); while (true);",
        "db.close(); while (true);",
        // The statement still runs when the time is over.
        &format!("db.exec('INSERT INTO t VALUES (2)'); db.query('{endless}')"),
    ] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "timeout", "{execution}");
        assert_eq!(
            session.eval("db.query('SELECT count(*) AS n FROM t')[0].n"),
            "1",
            "{code}"
        );
    }
    // The transaction is still open.
    let ended = "db.exec('ROLLBACK'); db.query('SELECT count(*) AS n FROM t')[0].n";
    assert_eq!(session.eval(ended), "0");
    // SQLite rolls back a transaction if a writing statement in it is interrupted. The next
    // statement then fails, so that the script notices.
    session.eval("db.exec('BEGIN; INSERT INTO t VALUES (1)'); 1");
    let endless = format!(
        "db.exec('INSERT INTO t {}')",
        endless.replace("count(*)", "i")
    );
    let execution = session.run(&endless);
    assert_eq!(execution["status"], "timeout", "{execution}");
    let execution = session.run("db.exec('COMMIT')");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("not configured"), "{execution}");
}
