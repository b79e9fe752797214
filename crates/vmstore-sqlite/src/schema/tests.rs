//! The migrations, and databases of every version of the schema.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use vmapi_types::{ExecutionStatus, SessionStatus};

use super::{migrations, version};
use vmcontrol::testing::PAGE;
use vmcontrol::{ExecutionFilter, SessionFilter};

use crate::check_file;
use crate::identity::APPLICATION_ID;
use crate::tests::Fixture;

#[test]
fn the_migrations_are_valid() {
    migrations().validate().unwrap();
}

/// A database of a version of the schema, as the program wrote it when that was the newest. The
/// script beside it has its rows.
fn fixture(version: i64, ending: &str) -> PathBuf {
    let name = format!("fixtures/schema-{version}.{ending}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Writes the fixture of a new schema version from its script. It is run once for each version; the
/// file is committed, and later versions of the program must not write it again.
#[test]
#[ignore = "it writes files into the repository: run it once for a new schema version (CONTRIBUTING.md)"]
fn write_the_missing_fixtures() {
    for version in 1..=version() {
        let path = fixture(version, "db");
        if path.exists() {
            continue;
        }
        let mut connection = Connection::open(&path).unwrap();
        // Small pages make a small file.
        connection
            .execute_batch("PRAGMA page_size = 512; PRAGMA journal_mode = WAL")
            .unwrap();
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        let steps = usize::try_from(version).unwrap();
        migrations().to_version(&mut connection, steps).unwrap();
        let rows = std::fs::read_to_string(fixture(version, "sql")).unwrap();
        connection.execute_batch(&rows).unwrap();
        connection.close().unwrap();
    }
}

#[tokio::test]
async fn databases_of_every_version_are_opened_and_all_of_them_is_read() {
    for version in 1..=version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.db");
        let kept = fixture(version, "db");
        std::fs::copy(&kept, &path)
            .unwrap_or_else(|error| panic!("there is no fixture {}: {error}", kept.display()));
        let before = check_file(&path).unwrap();
        assert_eq!(before.problems, Vec::<String>::new(), "version {version}");
        let fixture = Fixture::on(dir).await;
        let control = &fixture.control;
        let templates = control.list_templates().await.unwrap();
        let names: Vec<_> = templates.iter().map(|template| &template.name).collect();
        assert_eq!(names, ["second", "first"]);
        let details = control.get_template(templates[1].id).await.unwrap();
        assert_eq!(details.settings.limits.wall_ms, 6000);
        assert_eq!(details.settings.resolver.extensions, [".js", ".mjs"]);
        assert!(details.settings.runtime.esm);
        assert_eq!(details.capabilities.len(), 2);
        assert_eq!(details.startup_files.len(), 2);
        assert_eq!(details.template.exposed_modules, ["exec", "fs"]);
        assert_eq!(
            details.template.libraries,
            ["moment-2.29.4", "lodash-4.17.21"]
        );
        let sessions = control.list_sessions(SessionFilter::default(), PAGE).await;
        let sessions = sessions.unwrap().value.items;
        let statuses: Vec<_> = sessions.iter().map(|session| session.status).collect();
        // The two sessions that a daemon had left open are closed.
        let (closed, crashed) = (SessionStatus::Closed, SessionStatus::Crashed);
        assert_eq!(statuses, [closed, closed, crashed, closed]);
        let mut seen = Vec::new();
        let mut events = 0;
        for session in &sessions {
            let executions = control
                .list_executions(session.id, ExecutionFilter::default(), PAGE)
                .await;
            for execution in executions.unwrap().value.items {
                control.get_execution(execution.id).await.unwrap();
                let log = control.list_events(execution.id, 0, usize::MAX).await;
                events += log.unwrap().items.len();
                seen.push(execution.status);
            }
        }
        for status in ExecutionStatus::ALL {
            let is_seen = seen.contains(&status);
            assert_eq!(is_seen, status != ExecutionStatus::Running, "{status}");
        }
        let report = control.check().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "version {version}");
        assert_eq!((report.executions, report.events), (6, events as u64));
        // New records can be written and read.
        let made = control.create_template("third".into(), None).await.unwrap();
        assert_eq!(control.get_template(made.id).await.unwrap().template, made);
        fixture.close().await;
    }
}
