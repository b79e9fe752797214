//! `fs`, `database` and `exec`, as scripts use them.

use std::fs;
use std::os::unix::fs::symlink;

use vm_system_tests::{Daemon, Session};

use crate::support::assertions::text;

fn session(daemon: &Daemon, module: &str) -> Session {
    let session = daemon.session_of(&daemon.template_with_modules(&[module]));
    session.run(&format!("var {module} = require('{module}')"));
    session
}

/// Runs what must throw; returns the message.
#[track_caller]
fn refusal(session: &Session, code: &str) -> String {
    let execution = session.run(code);
    assert_eq!(execution["status"], "error", "{code}: {execution}");
    text(&execution["error"], "message").to_owned()
}

#[test]
fn a_module_that_the_template_lacks_is_invalid() {
    let daemon = Daemon::start();
    let without = daemon.session();
    let with_fs = session(&daemon, "fs");
    for (session, module) in [
        (&without, "fs"),
        (&without, "database"),
        (&without, "exec"),
        (&with_fs, "exec"),
        (&with_fs, "nothing"),
    ] {
        let message = refusal(session, &format!("require('{module}')"));
        assert!(message.contains("Invalid module"), "{message}");
    }
    let caught = "try { require('exec') } catch (error) { error instanceof Error }";
    assert_eq!(without.eval(caught), "true");
}

#[test]
fn fs_reads_and_writes_inside_the_worktree() {
    let daemon = Daemon::start();
    let session = session(&daemon, "fs");
    daemon.write("dir/a.txt", "text \u{e4}\n");
    let root = daemon.worktree();
    assert_eq!(
        session.eval("fs.readFileSync('dir/a.txt')"),
        "text \u{e4}\n"
    );
    let absolute = root.join("dir/a.txt");
    let read = format!("fs.readFileSync('{}')", absolute.display());
    assert_eq!(session.eval(&read), "text \u{e4}\n");
    session.eval("fs.writeFileSync('new.txt', 'one')");
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "one");
    let write = format!("fs.writeFileSync('{}/new.txt', '\u{e4}')", root.display());
    session.eval(&write);
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "\u{e4}");
}

#[test]
fn fs_refuses_what_lies_outside() {
    let daemon = Daemon::start();
    let session = session(&daemon, "fs");
    let secret = daemon.home().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, daemon.worktree().join("link")).unwrap();
    symlink("..", daemon.worktree().join("up")).unwrap();
    for path in [
        secret.to_str().unwrap(),
        "../secret.txt",
        "a/../../secret.txt",
        "link",
        "up/secret.txt",
    ] {
        let message = refusal(&session, &format!("fs.readFileSync('{path}')"));
        assert!(message.contains(path), "{message}");
        refusal(&session, &format!("fs.writeFileSync('{path}', 'changed')"));
    }
    refusal(&session, "fs.writeFileSync('up/new.txt', 'new')");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(!daemon.home().join("new.txt").exists());
}

#[test]
fn fs_throws_errors_that_scripts_can_catch() {
    let daemon = Daemon::start();
    let session = session(&daemon, "fs");
    let missing = "try { fs.readFileSync('missing.txt') } catch (error) { error.code }";
    assert_eq!(session.eval(missing), "ENOENT");
    let message = refusal(&session, "fs.readFileSync('missing.txt')");
    assert!(message.contains("missing.txt"), "{message}");
    refusal(&session, "fs.readFileSync()");
    refusal(&session, "fs.writeFileSync('a.txt')");
    refusal(&session, "fs.readFileSync('.')");
}

/// Checks that a database can be filled and asked.
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
    let session = session(&daemon, "database");
    session.eval("database.configure('sqlite3', ':memory:')");
    fill_and_ask(&session);
    refusal(&session, "database.query('SELECT * FROM missing')");
    refusal(&session, "database.query('nonsense')");
}

#[test]
fn a_database_in_the_worktree_lives_on_in_its_file() {
    let daemon = Daemon::start();
    let session = session(&daemon, "database");
    session.eval("database.configure('sqlite3', 'data.db')");
    fill_and_ask(&session);
    session.eval("database.exec('DELETE FROM t WHERE id > 3; VACUUM')");
    session.eval("database.close()");
    refusal(&session, "database.query('SELECT 1')");
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
    let session = session(&daemon, "database");
    session.eval("database.configure('sqlite3', ':memory:')");
    session.eval(
        "database.exec('CREATE TABLE a (id INTEGER PRIMARY KEY); \
         CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)')",
    );
    let insert = "database.exec('INSERT INTO b VALUES (7)')";
    for work in [format!("() => {insert}"), format!("async () => {insert}")] {
        let message = refusal(&session, &format!("await database.transaction({work})"));
        assert!(message.contains("FOREIGN KEY"), "{message}");
        assert_eq!(
            session.eval("database.query('SELECT count(*) AS n FROM b')[0].n"),
            "0"
        );
    }
    // Another one can begin, and be committed.
    session.eval("database.transaction(() => database.exec('INSERT INTO a VALUES (7)'))");
    session.eval(&format!("database.transaction(() => {insert})"));
}

#[test]
fn a_database_outside_the_worktree_is_refused() {
    let daemon = Daemon::start();
    let session = session(&daemon, "database");
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
        refusal(
            &session,
            &format!("database.configure('sqlite3', '{source}')"),
        );
        refusal(&session, "database.query('SELECT 1')");
    }
    // Neither a URI nor ATTACH leads around it.
    let uri = format!("file:{}", outside.display());
    session.run(&format!(
        "database.configure('sqlite3', '{uri}'); database.exec('CREATE TABLE t (a)')"
    ));
    session.run("database.configure('sqlite3', ':memory:')");
    refusal(
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
    let session = session(&daemon, "database");
    let message = refusal(&session, "database.configure('postgres', 'x')");
    assert!(message.contains("postgres"), "{message}");
    let message = refusal(&session, "database.query('SELECT 1')");
    assert!(message.contains("configure"), "{message}");
}

#[test]
fn exec_gives_what_a_command_wrote_to_both_streams() {
    let daemon = Daemon::start();
    let session = session(&daemon, "exec");
    assert_eq!(session.eval("exec.run('echo', ['a b', 'c'])"), "a b c\n");
    assert_eq!(session.eval("exec.run('true')"), "");
    let both = session.eval("exec.run('sh', ['-c', 'echo out; echo err >&2'])");
    let mut lines: Vec<_> = both.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    assert_eq!(session.eval("typeof exec.run('echo', ['a'])"), "string");
}

#[test]
fn exec_runs_in_the_worktree() {
    let daemon = Daemon::start();
    let session = session(&daemon, "exec");
    let root = daemon.worktree().canonicalize().unwrap();
    assert_eq!(
        session.eval("exec.run('pwd')").trim_end(),
        root.to_str().unwrap()
    );
}

#[test]
fn exec_throws_for_a_command_that_fails() {
    let daemon = Daemon::start();
    let session = session(&daemon, "exec");
    let message = refusal(&session, "exec.run('sh', ['-c', 'echo why >&2; exit 3'])");
    assert!(
        message.contains('3') && message.contains("why"),
        "{message}"
    );
    let message = refusal(&session, "exec.run('no-such-command-anywhere')");
    assert!(message.contains("no-such-command-anywhere"), "{message}");
    refusal(&session, "exec.run('sh', ['-c', 'kill -9 $$'])");
    refusal(&session, "exec.run('sh', [1])");
    assert_eq!(
        session.eval("try { exec.run('false') } catch (e) { 'caught' }"),
        "caught"
    );
}

#[test]
fn a_command_ends_with_the_execution_that_ran_it() {
    let daemon = Daemon::start();
    let session = session(&daemon, "exec");
    let execution = session.run("exec.run('sh', ['-c', 'echo $$ > pid; exec sleep 600'])");
    assert_eq!(execution["status"], "timeout", "{execution}");
    let pid = fs::read_to_string(daemon.worktree().join("pid")).unwrap();
    let pid = pid.trim().parse().unwrap();
    vm_system_tests::wait_for("the end of the command", || {
        (!vm_system_tests::Process::is_alive(pid)).then_some(())
    });
    assert_eq!(session.eval("1"), "1");
}
