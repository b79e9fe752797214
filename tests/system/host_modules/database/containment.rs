//! What host modules must not be able to do to the daemon or to files outside the worktree.

use vm_system_tests::{Daemon, DaemonOptions, Process, Session, wait_for};

fn database_session(daemon: &Daemon) -> Session {
    let template = daemon.template_with_modules(&["database", "fs"]);
    let session = daemon.session_of(&template);
    session.run("globalThis.db = require('database'); globalThis.fs = require('fs')");
    session
}

fn database_processes(daemon: &Daemon) -> Vec<i32> {
    Process::descendants(daemon.pid())
        .into_iter()
        .filter(|process| process.parent == daemon.pid() && process.name != "vms-zygote")
        .map(|process| process.pid)
        .collect()
}

#[test]
fn settings_of_sqlite_affect_the_sessions_own_database_process_alone() {
    let daemon = Daemon::start();
    let session = database_session(&daemon);
    session.run("db.configure('sqlite3', ':memory:'); db.query('PRAGMA hard_heap_limit=1000')");
    daemon.template();
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

#[test]
fn a_query_that_never_ends_ends_with_its_execution() {
    let daemon = Daemon::start();
    let session = database_session(&daemon);
    session.run("db.configure('sqlite3', ':memory:')");
    let before = database_processes(&daemon);
    assert_eq!(before.len(), 1);
    let execution = session.run(
        "db.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n')",
    );
    assert_eq!(execution["status"], "timeout", "{execution}");
    // The process has stopped it, and has what it had.
    assert_eq!(session.eval("db.query('SELECT 1 AS one')[0].one"), "1");
    assert_eq!(database_processes(&daemon), before);
    daemon.stop();
}

#[test]
fn a_large_result_is_refused_and_memory_is_bounded() {
    let daemon = Daemon::start();
    let session = database_session(&daemon);
    session.run("db.configure('sqlite3', ':memory:')");
    let execution = session.run(
        "db.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT zeroblob(10000000) AS z FROM n')",
    );
    assert_eq!(execution["status"], "error", "{execution}");
    assert_eq!(daemon.session().eval("1"), "1");
}

#[test]
fn a_crafted_journal_deletes_nothing_outside_the_worktree() {
    let daemon = Daemon::start();
    let victim = daemon.home().join("victim.txt");
    std::fs::write(&victim, "kept").unwrap();
    let session = database_session(&daemon);
    session.run("db.configure('sqlite3', 'a.db'); db.exec('CREATE TABLE t (x)'); db.close()");
    let database = std::fs::read(daemon.worktree().join("a.db")).unwrap();
    std::fs::write(
        daemon.worktree().join("a.db-journal"),
        journal_naming(victim.to_str().unwrap(), &database),
    )
    .unwrap();
    session.run("db.configure('sqlite3', 'a.db'); db.query('SELECT * FROM t')");
    assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
}

/// A hot rollback journal of a database that ends with the name of a super-journal, which SQLite deletes after recovery.
/// The layout is that of the file format's document: a header of one sector, the record of the first page with its
/// checksum, the number of the lock page, then the name, its length, its checksum and the magic number.
fn journal_naming(name: &str, database: &[u8]) -> Vec<u8> {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    const PAGE: usize = 4096;
    const NONCE: u32 = 7;
    let page = &database[..PAGE];
    let pages = u32::try_from(database.len() / PAGE).unwrap();
    let mut journal = MAGIC.to_vec();
    for number in [u32::MAX, NONCE, pages, 512, 4096] {
        journal.extend(number.to_be_bytes());
    }
    journal.resize(512, 0);
    let sampled = (1..=PAGE / 200).map(|step| u32::from(page[PAGE - 200 * step]));
    journal.extend(1_u32.to_be_bytes());
    journal.extend(page);
    journal.extend((NONCE + sampled.sum::<u32>()).to_be_bytes());
    let lock_page: u32 = 0x4000_0000 / 4096 + 1;
    journal.extend(lock_page.to_be_bytes());
    journal.extend(name.bytes());
    journal.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
    journal.extend(name.bytes().map(u32::from).sum::<u32>().to_be_bytes());
    journal.extend(MAGIC);
    journal
}

#[test]
fn the_services_own_database_is_out_of_reach() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("worktree")).unwrap();
    let link = home.path().join("worktree/vm-system.db");
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
    std::fs::hard_link(daemon.home().join("test.db"), &link).unwrap();
    let session = database_session(&daemon);
    for code in [
        "fs.readFileSync('vm-system.db')",
        "fs.writeFileSync('vm-system.db', '')",
        "db.configure('sqlite3', 'vm-system.db')",
    ] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "error", "{code}: {execution}");
    }
    session
        .submit_file("vm-system.db")
        .expect_error(422, "INVALID_PATH");
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn a_snippet_that_is_too_large_for_the_session_fails_and_is_not_retried() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval(
        "globalThis.keep = []; for (let i = 0; i < 118; i++) keep.push(new Uint8Array(1 << 20)); 1",
    );
    let execution = session.run(&format!("/*{}*/ 1", "x".repeat(7_000_000)));
    assert_eq!(execution["status"], "error", "{}", execution["error"]);
    assert_eq!(execution["error"]["code"], "MEMORY_LIMIT");
    assert_eq!(session.eval("keep.length"), "118");
}

#[test]
fn a_stopped_session_process_is_ended_at_the_wall_limit() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use vm_system_tests::Role;

    let daemon = Daemon::start();
    let limits = serde_json::json!({"cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    session.eval("globalThis.mark = 7");
    let running = session.start("mark = 8; while (true);");
    let pid = daemon.process_of(&session, Role::Session);
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "timeout", "{execution}");
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn a_session_is_closed_though_its_process_is_stopped() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use vm_system_tests::Role;

    let daemon = Daemon::start();
    let session = daemon.session();
    let pid = daemon.process_of(&session, Role::Session);
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let (other, code) = (session.clone(), format!("/*{}*/", "x".repeat(3_000_000)));
    let running = std::thread::spawn(move || other.submit(&code));
    wait_for("the execution to run", || {
        (!session.executions().is_empty()).then_some(())
    });
    assert_eq!(session.close()["status"], "closed");
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "cancelled", "{}", execution["status"]);
}
