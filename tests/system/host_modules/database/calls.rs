//! The functions of `database`, as scripts use them.

use std::os::unix::fs::symlink;

use vm_system_tests::{Daemon, Session};

use crate::host_modules::calls::{error_message, module_session};

/// Checks that a database can be written and queried.
fn fill_and_ask(session: &Session) {
    let made =
        session.run("database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n REAL)')");
    assert_eq!(made["result"]["json"]["success"], true, "{made}");
    for (code, id) in [
        (
            "database.exec('INSERT INTO t (name, n) VALUES (?, ?)', 'a', 1.5)",
            1,
        ),
        (
            "database.exec('INSERT INTO t (name, n) VALUES (?, ?)', ['b', null])",
            2,
        ),
        ("database.exec(\"INSERT INTO t (name) VALUES ('c')\")", 3),
    ] {
        let expected = serde_json::json!({"success": true, "rowsAffected": 1, "lastInsertId": id});
        assert_eq!(session.run(code)["result"]["json"], expected, "{code}");
    }
    let updated = session.run("database.exec('UPDATE t SET n = ? WHERE id > ?', 2, 1)");
    assert_eq!(updated["result"]["json"]["rowsAffected"], 2, "{updated}");
    for query in [
        "database.query('SELECT id, name, n FROM t WHERE id <= ? AND name <> ? ORDER BY id', 2, 'x')",
        "database.query('SELECT id, name, n FROM t WHERE id <= ? AND name <> ? ORDER BY id', [2, 'x'])",
    ] {
        let expected = serde_json::json!([
            {"id": 1, "name": "a", "n": 1.5},
            {"id": 2, "name": "b", "n": 2.0},
        ]);
        let rows = session.eval(&format!("JSON.stringify({query})"));
        let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows[0], expected[0]);
        assert_eq!(rows[1]["n"].as_f64(), Some(2.0));
    }
    assert_eq!(
        session.eval("database.query('SELECT 1 WHERE 0').length"),
        "0"
    );
    assert_eq!(
        session.eval("database.query('SELECT NULL AS x')[0].x === null"),
        "true"
    );
}

#[test]
fn a_database_in_memory_can_be_filled_and_asked() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "database");
    session.eval("database.configure('sqlite3', ':memory:')");
    fill_and_ask(&session);
    error_message(&session, "database.query('SELECT * FROM missing')");
    error_message(&session, "database.query('nonsense')");
}

#[test]
fn a_database_in_the_worktree_lives_on_in_its_file() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "database");
    session.eval("database.configure('sqlite3', 'data.db')");
    fill_and_ask(&session);
    session.eval("database.exec('DELETE FROM t WHERE id > 3; VACUUM')");
    session.eval("database.close()");
    error_message(&session, "database.query('SELECT 1')");
    let file = daemon.worktree().join("data.db");
    assert!(file.is_file());
    session.eval(&format!(
        "database.configure('sqlite3', '{}')",
        file.display()
    ));
    assert_eq!(
        session.eval("database.query('SELECT count(*) AS n FROM t')[0].n"),
        "3"
    );
}

#[test]
fn a_transaction_that_can_not_be_committed_is_rolled_back() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "database");
    session.eval("database.configure('sqlite3', ':memory:')");
    session.eval(
        "database.exec('CREATE TABLE a (id INTEGER PRIMARY KEY); \
         CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)')",
    );
    let insert = "database.exec('INSERT INTO b VALUES (7)')";
    for work in [format!("() => {insert}"), format!("async () => {insert}")] {
        let message = error_message(&session, &format!("await database.transaction({work})"));
        assert!(message.contains("FOREIGN KEY"), "{message}");
        assert_eq!(
            session.eval("database.query('SELECT count(*) AS n FROM b')[0].n"),
            "0"
        );
    }
    // Another transaction can begin, and be committed.
    session.eval("database.transaction(() => database.exec('INSERT INTO a VALUES (7)'))");
    session.eval(&format!("database.transaction(() => {insert})"));
}

#[test]
fn a_database_outside_the_worktree_is_refused() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "database");
    let outside = daemon.home().join("outside.db");
    let target = daemon.home().join("target.db");
    symlink(&target, daemon.worktree().join("link.db")).unwrap();
    symlink("..", daemon.worktree().join("up")).unwrap();
    let own = daemon.home().join("test.db");
    for source in [
        outside.to_str().unwrap(),
        "../outside.db",
        "link.db",
        "up/outside.db",
        own.to_str().unwrap(),
    ] {
        error_message(
            &session,
            &format!("database.configure('sqlite3', '{source}')"),
        );
        error_message(&session, "database.query('SELECT 1')");
    }
    // Neither a URI nor ATTACH bypasses the check.
    let uri = format!("file:{}", outside.display());
    session.run(&format!(
        "database.configure('sqlite3', '{uri}'); database.exec('CREATE TABLE t (a)')"
    ));
    session.run("database.configure('sqlite3', ':memory:')");
    error_message(
        &session,
        &format!("database.exec(\"ATTACH '{}' AS o\")", outside.display()),
    );
    session.run(&format!(
        "database.exec(\"VACUUM INTO '{}'\")",
        target.display()
    ));
    assert!(!outside.exists() && !target.exists());
}

#[test]
fn a_database_needs_its_driver() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "database");
    let message = error_message(&session, "database.configure('postgres', 'x')");
    assert!(message.contains("postgres"), "{message}");
    let message = error_message(&session, "database.query('SELECT 1')");
    assert!(message.contains("configure"), "{message}");
}
