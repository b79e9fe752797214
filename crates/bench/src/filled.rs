//! A database with a long history.

use rusqlite::Connection;
use tempfile::TempDir;
use vm_system_tests::Daemon;

/// The number of executions and of the sessions that they belong to.
const EXECUTIONS: u32 = 1_000_000;
const SESSIONS: u32 = 1000;

/// The number of events of each execution.
const EVENTS: u32 = 10;

/// The home directory of a daemon whose database holds a million executions with ten million
/// events.
pub(crate) fn home() -> TempDir {
    // The daemon creates the schema.
    let home = Daemon::start().stop();
    let connection = Connection::open(home.path().join("test.db")).expect("a database");
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = OFF;
             BEGIN;
             WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < {SESSIONS})
             INSERT INTO session (id, template_id, workspace_id, base_commit_oid, worktree_path, status, created_at, closed_at)
             SELECT printf('%08x-0000-4000-8000-000000000000', i), '00000000-0000-4000-8000-000000000000', 'w', 'c', '/',
             'closed', 1700000000000000 + i, 1700000000000000 + i FROM number;
             WITH RECURSIVE number(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < {EXECUTIONS})
             INSERT INTO execution (id, session_id, kind, input, args, env, status, started_at, ended_at, result, metrics)
             SELECT lower(printf('%s-%s-4%s-8%s-%s', hex(randomblob(4)), hex(randomblob(2)), substr(hex(randomblob(2)), 2),
             substr(hex(randomblob(2)), 2), hex(randomblob(6)))),
             printf('%08x-0000-4000-8000-000000000000', 1 + i % {SESSIONS}), 'repl', '1 + 1', '[]', '{{}}', 'ok',
             1700000000000000 + i, 1700000000000000 + i, '{{\"type\":\"number\",\"preview\":\"2\"}}',
             '{{\"events\":{EVENTS}}}' FROM number;
             WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < {EVENTS})
             INSERT INTO event (execution_n, seq, ts, type, payload)
             SELECT n, i, started_at, 'console', '{{\"level\":\"log\",\"text\":\"a line of the past\"}}'
             FROM execution, number;
             COMMIT;
             PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .expect("rows");
    drop(connection);
    // Without this sync the disk would write the database while other things are measured.
    let file = std::fs::File::open(home.path().join("test.db")).expect("a database");
    file.sync_all().expect("a disk");
    home
}
