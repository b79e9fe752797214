//! Databases of the Go service.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, SessionStatus};

use vmcontrol::testing::{MODULES, PAGE};
use vmcontrol::{Control, ExecutionFilter, SessionFilter};

use super::control_of;
use crate::{ImportError, ImportReport, OpenError, SqliteStore, check_file, import};

const TABLES_AND_ROWS: &str = include_str!("../../fixtures/go-service.sql");

/// An old database in a directory of its own, after some more statements.
fn old_database(more: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection.execute_batch(TABLES_AND_ROWS).unwrap();
    connection.execute_batch(more).unwrap();
    connection.close().unwrap();
    (dir, path)
}

/// Imports an old database. Returns the report, and a service on the new database.
async fn imported(more: &str) -> (ImportReport, Control, TempDir) {
    let (dir, old) = old_database(more);
    let new = dir.path().join("new.db");
    let before = std::fs::read(&old).unwrap();
    let report = import(&old, &new, MODULES).unwrap();
    assert!(
        std::fs::read(&old).unwrap() == before,
        "the old one has changed"
    );
    let names = std::fs::read_dir(dir.path()).unwrap();
    assert_eq!(names.count(), 2, "something was left beside the databases");
    let checked = check_file(&new).unwrap();
    assert_eq!(checked.problems, Vec::<String>::new());
    let control = control_of(SqliteStore::open(&new).unwrap(), dir.path())
        .await
        .unwrap();
    (report, control, dir)
}

fn id(kind: u8, number: u8) -> Uuid {
    format!("{kind}0000000-0000-4000-8000-{number:012}")
        .parse()
        .unwrap()
}

async fn execution(control: &Control, number: u8) -> Execution {
    let found = control.get_execution(id(5, number)).await;
    found.unwrap().value
}

#[tokio::test]
async fn templates_are_imported_with_all_that_belongs_to_them() {
    let (report, control, _dir) = imported("").await;
    let templates = control.list_templates().await.unwrap();
    let names: Vec<_> = templates.iter().map(|template| &*template.name).collect();
    assert_eq!(names, ["same second", "full", "plain"], "newest first");
    let engines: Vec<_> = templates.iter().map(|template| &*template.engine).collect();
    assert_eq!(engines, ["quickjs", "node", "goja"]);
    let plain = control.get_template(id(1, 1)).await.unwrap();
    assert!(plain.template.exposed_modules.is_empty());
    assert!(plain.template.libraries.is_empty());
    assert!(plain.settings.resolver.roots.is_empty());
    assert_eq!(plain.settings.resolver.extensions, [".js"]);
    assert!(plain.settings.runtime.strict);
    assert_eq!(plain.template.created_at.as_micros(), 1_700_000_000_000_000);
    let full = control.get_template(id(1, 2)).await.unwrap();
    assert!(!full.template.is_active);
    assert_eq!(full.template.exposed_modules, ["database", "fs"]);
    assert_eq!(
        full.template.libraries,
        ["lodash-4.17.21", "moment-2.29.4", "own"]
    );
    assert_eq!(full.template.updated_at.as_micros(), 1_700_000_005_000_000);
    assert_eq!(full.settings.limits.wall_ms, 7777);
    assert_eq!(full.settings.limits.cpu_ms, 2000, "0 is out of range");
    assert!(
        full.settings.runtime.console,
        "what is not JSON is the default"
    );
    let capabilities = full.capabilities.iter();
    let capabilities: Vec<_> = capabilities
        .map(|capability| (&*capability.kind, &*capability.name, capability.enabled))
        .collect();
    assert_eq!(
        capabilities,
        [
            ("module", "console", true),
            ("env", "HOME", false),
            ("fs", "old", true)
        ]
    );
    let paths = full.startup_files.iter().map(|file| &*file.path);
    assert_eq!(paths.collect::<Vec<_>>(), ["a.js", "b.js", "c.js"]);
    assert_eq!((report.templates, report.capabilities), (3, 3));
    assert_eq!(report.startup_files, 3);
    let note = |part: &str| report.notes.iter().any(|note| note.contains(part));
    assert!(
        note("runtime.strict") && note("fs:old"),
        "{:?}",
        report.notes
    );
}

#[tokio::test]
async fn history_is_imported_and_what_was_open_has_ended() {
    let (report, control, _dir) = imported("").await;
    let sessions = control.list_sessions(SessionFilter::default(), PAGE).await;
    let sessions = sessions.unwrap().value.items;
    let found: Vec<_> = sessions.iter().map(|one| (one.id, one.status)).collect();
    let (closed, crashed) = (SessionStatus::Closed, SessionStatus::Crashed);
    assert_eq!(
        found,
        [
            (id(4, 4), closed),
            (id(4, 3), crashed),
            (id(4, 2), closed),
            (id(4, 1), closed)
        ]
    );
    assert!(sessions.iter().all(|session| session.closed_at.is_some()));
    assert_eq!(
        sessions[1].last_error.as_deref(),
        Some("startup failed: boom")
    );
    assert_eq!(sessions[3].last_error, None);
    assert_eq!(
        sessions[3].runtime_meta.as_ref().unwrap().get(),
        "{\"k\":1}"
    );
    let filter = ExecutionFilter::default();
    let listed = control
        .list_executions(id(4, 2), filter, PAGE)
        .await
        .unwrap();
    let ids: Vec<_> = listed.items.iter().map(|execution| execution.id).collect();
    assert_eq!(ids, [id(5, 3), id(5, 2), id(5, 1)], "newest first");
    let first = execution(&control, 1).await;
    assert_eq!(first.input.as_deref(), Some("1 + 1"));
    assert_eq!((first.path, first.args.get()), (None, "[]"));
    let value = "{\"type\":\"int64\",\"preview\":\"2\",\"json\":2}";
    assert_eq!(first.result.unwrap().get(), value);
    assert_eq!(first.ended_at.unwrap().as_micros(), 1_700_000_111_000_000);
    assert_eq!(first.metrics.events, 3);
    let events = control.list_events(id(5, 1), 0, 9).await.unwrap();
    assert_eq!(events.items[2].event.payload.get(), value);
    assert_eq!(events.items[2].event.ts.as_micros(), 1_700_000_111_000_000);
    let second = execution(&control, 2).await;
    assert_eq!((second.input, second.path.as_deref()), (None, Some("x.js")));
    assert_eq!(
        (second.args.get(), second.env.get()),
        ("{\"n\":1}", "{\"A\":\"b\"}")
    );
    assert!(second.error.unwrap().get().contains("ReferenceError"));
    let events = control.list_events(id(5, 2), 0, 9).await.unwrap();
    assert_eq!(
        (events.items.len(), events.items[0].event.seq),
        (1, 1),
        "a log has no gaps"
    );
    let third = execution(&control, 3).await;
    assert_eq!(third.status, ExecutionStatus::Error);
    assert_eq!((third.args.get(), third.env.get()), ("[]", "{}"));
    assert!(third.ended_at.is_some());
    assert!(third.error.unwrap().get().contains("imported"));
    assert_eq!((report.sessions, report.sessions_closed), (4, 2));
    assert_eq!((report.executions, report.executions_ended), (3, 1));
    assert_eq!(report.events, 5);
}

#[tokio::test]
async fn each_row_that_is_not_imported_is_named() {
    let (report, _control, _dir) = imported("").await;
    for (number, parts) in [
        ("000000000004", ["template 1", "exposed_modules_json"]),
        ("000000000003", ["../evil", "no library"]),
        ("000000000002", ["settings of template", "runtime_json"]),
        ("000000000002", ["limits.cpu_ms", "out of range"]),
        ("000000000099", ["settings", "no such template"]),
        ("000000000003", ["quantum:leap", "unknown kind"]),
        ("000000000004", ["(fs:data)", "config_json is not JSON"]),
        ("000000000005", ["capability", "its template"]),
        ("000000000004", ["startup file", "unknown mode"]),
        ("000000000005", ["session 4", "unknown status"]),
        ("000000000004", ["execution 5", "args_json"]),
        ("000000000005", ["execution 5", "its session"]),
        ("run-6", ["execution", "not a UUID"]),
        (
            "000000000002",
            ["event 1 of execution 5", "payload_json is not JSON"],
        ),
        ("000000000077", ["no such execution", "1 events"]),
    ] {
        let is_named = report
            .left_out
            .iter()
            .any(|line| line.contains(number) && parts.iter().all(|part| line.contains(part)));
        assert!(is_named, "{parts:?} is not among {:#?}", report.left_out);
    }
    // The events of an execution whose id is not a UUID have one line with it.
    assert_eq!(report.left_out.len(), 15, "{:#?}", report.left_out);
}

#[tokio::test]
async fn tables_and_columns_may_be_missing_or_more() {
    let (report, control, _dir) = imported(
        "DROP TABLE vm_settings; DROP TABLE vm_capability; DROP TABLE execution_event;
         ALTER TABLE vm DROP COLUMN libraries_json; ALTER TABLE vm DROP COLUMN is_active;
         ALTER TABLE vm ADD COLUMN colour TEXT DEFAULT 'red'; CREATE TABLE extra (x);
         ALTER TABLE vm_session DROP COLUMN runtime_meta_json; ALTER TABLE execution DROP COLUMN metrics_json;
         UPDATE vm SET updated_at = 0",
    )
    .await;
    assert_eq!(
        (report.templates, report.capabilities, report.events),
        (3, 0, 0)
    );
    assert_eq!((report.sessions, report.executions), (4, 3));
    let full = control.get_template(id(1, 2)).await.unwrap();
    assert!(full.template.is_active && full.template.libraries.is_empty());
    assert_eq!(full.settings.limits.cpu_ms, 2000);
}

#[tokio::test]
async fn rows_that_hold_the_wrong_type_or_nothing_are_named() {
    for (change, part) in [
        (
            "UPDATE vm SET created_at = 'today' WHERE name = 'full'",
            "created_at",
        ),
        (
            "UPDATE vm SET created_at = 999999999999999 WHERE name = 'full'",
            "created_at",
        ),
        (
            "UPDATE vm SET name = x'ff' WHERE name = 'full'",
            "name is not a text",
        ),
        (
            "UPDATE vm SET id = 'full' WHERE name = 'full'",
            "id is not a UUID",
        ),
        (
            "UPDATE vm SET id = NULL WHERE name = 'full'",
            "id is not a UUID",
        ),
        (
            "UPDATE vm SET libraries_json = '[1]' WHERE name = 'full'",
            "list of names",
        ),
        (
            "UPDATE vm SET is_active = 'yes' WHERE name = 'full'",
            "is_active",
        ),
    ] {
        let (report, control, _dir) = imported(change).await;
        assert_eq!(report.templates, 2, "{change}");
        let lines = report.left_out.join("\n");
        assert!(lines.contains(part), "{change}: {lines}");
        assert_eq!(report.sessions, 4, "history does not need a template");
        assert_eq!(control.list_templates().await.unwrap().len(), 2);
    }
}

#[test]
fn what_a_crash_left_in_the_wal_is_imported() {
    let (dir, old) = old_database("PRAGMA journal_mode = WAL");
    let connection = Connection::open(&old).unwrap();
    connection
        .execute_batch("UPDATE vm SET name = 'renamed' WHERE name = 'plain'")
        .unwrap();
    // These are the files after a crash: there is a WAL, and no process has it open.
    let crashed = dir.path().join("crashed.db");
    for end in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        std::fs::copy(name(&old), name(&crashed)).unwrap();
    }
    let new = dir.path().join("new.db");
    import(&crashed, &new, MODULES).unwrap();
    let count = "SELECT count(*) FROM template WHERE name = 'renamed'";
    let found = Connection::open(&new)
        .unwrap()
        .query_row(count, [], |row| row.get::<_, i64>(0));
    assert_eq!(found.unwrap(), 1);
    assert!(!dir.path().join("crashed.db-shm").exists());
    drop(connection);
}

#[test]
fn a_target_that_is_not_empty_or_in_use_is_refused_and_left_as_it_was() {
    let (dir, old) = old_database("");
    let path = |name: &str| dir.path().join(name);
    let text = path("text");
    std::fs::write(&text, "something of mine").unwrap();
    let (_other, foreign) = old_database("");
    import(&old, &path("full.db"), MODULES).unwrap();
    for target in [&text, &foreign, &path("full.db"), &old] {
        let before = std::fs::read(target).unwrap();
        let refused = import(&old, target, MODULES).unwrap_err();
        assert!(
            matches!(refused, ImportError::NotEmpty { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("--db"), "{refused}");
        assert!(std::fs::read(target).unwrap() == before);
    }
    let held = SqliteStore::open(&path("held.db")).unwrap();
    let refused = import(&old, &path("held.db"), MODULES).unwrap_err();
    let ImportError::Target(OpenError::Lock(_)) = refused else {
        panic!("{refused:?}");
    };
    drop(held);
    // A daemon that has stored nothing has left an empty database.
    import(&old, &path("held.db"), MODULES).unwrap();
}

#[test]
fn a_database_that_can_not_be_imported_leaves_no_new_one() {
    let (dir, old) = old_database("");
    let new = dir.path().join("new.db");
    let said = |old: &Path| {
        let refused = import(old, &new, MODULES).unwrap_err().to_string();
        assert!(refused.contains(old.to_str().unwrap()), "{refused}");
        assert!(!new.exists());
        refused
    };
    assert!(said(&dir.path().join("missing.db")).contains("can't be imported"));
    assert!(said(dir.path()).contains("not a file"));
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database").unwrap();
    assert!(said(&text).contains("not an SQLite"));
    let foreign = dir.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE vm (id)")
        .unwrap();
    assert!(said(&foreign).contains("Go service"));
    // The old service has the database open.
    let connection = Connection::open(&old).unwrap();
    connection.execute_batch("BEGIN; SELECT * FROM vm").unwrap();
    let holder = connection.prepare("SELECT * FROM vm").unwrap();
    drop(holder);
    connection.execute_batch("COMMIT").unwrap();
    // A page of the old database is damaged: no part of it is imported.
    drop(connection);
    let mut bytes = std::fs::read(&old).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..].fill(0xff);
    std::fs::write(&old, bytes).unwrap();
    said(&old);
}

#[test]
fn a_daemon_names_the_command_that_imports_a_database_of_the_go_service() {
    let (dir, old) = old_database("");
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    let real = old.canonicalize().unwrap();
    let command = format!("`vm-system ops import {}`", real.display());
    for path in [&old, &link] {
        let before = std::fs::read(&old).unwrap();
        let refused = SqliteStore::open(path).err().unwrap();
        assert!(
            matches!(refused, OpenError::GoService { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains(&command), "{refused}");
        assert!(std::fs::read(&old).unwrap() == before);
        let checked = check_file(path).unwrap().problems;
        assert!(checked[0].contains(&command), "{checked:?}");
    }
}
