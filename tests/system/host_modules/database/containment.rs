//! What `database` must not do to the daemon or to files outside the worktree.

use vm_system_tests::{Daemon, Process, Session};

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
    // The database process has stopped the statement, and keeps its database.
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

/// A hot rollback journal of a database that ends with the name of a super-journal, which SQLite
/// deletes after recovery. The layout is that of the file format's document: a header of one
/// sector, the record of the first page with its checksum, the number of the lock page, then the
/// name, its length, its checksum and the magic number.
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
    let daemon = Daemon::start_in(home);
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
