//! Rows that are not what was stored.

use std::path::PathBuf;

use rusqlite::Connection;
use uuid::Uuid;
use vmapi_types::CheckReport;

use vmcontrol::testing::PAGE;
use vmcontrol::{Error, NameList, NewCapability, NewStartupFile, Result, SessionFilter};

use super::Fixture;

/// A database with a row of each kind, and one more beside it.
pub(super) struct Stored {
    pub(super) fixture: Fixture,
    pub(super) template: Uuid,
    capability: Uuid,
    startup_file: Uuid,
    pub(super) session: Uuid,
    pub(super) execution: Uuid,
    /// The template, the session and the execution beside these.
    pub(super) others: [Uuid; 3],
}

impl Stored {
    pub(super) async fn new() -> Self {
        let fixture = Fixture::new().await;
        let other_template = fixture.template().await;
        let template = fixture.template().await;
        let control = &fixture.control;
        for (list, name) in [
            (NameList::Modules, "fs"),
            (NameList::Modules, "exec"),
            (NameList::Libraries, "lodash-4.17.21"),
            (NameList::Libraries, "moment-2.29.4"),
        ] {
            let added = control.add_name(list, template, name.into()).await;
            added.unwrap();
        }
        let new = |name: &str| NewCapability {
            kind: "env".into(),
            name: name.into(),
            enabled: true,
            config: serde_json::Map::new(),
        };
        let capability = control.add_capability(template, new("HOME")).await.unwrap();
        control.add_capability(template, new("PATH")).await.unwrap();
        let new = |path: &str| NewStartupFile {
            path: path.into(),
            order_index: 0,
            mode: "eval".into(),
        };
        let file = control.add_startup_file(template, new("a.js")).await;
        control
            .add_startup_file(template, new("b.js"))
            .await
            .unwrap();
        let request = fixture.request(other_template);
        let other_session = control.create_session(request.clone()).await.unwrap().id;
        let session = control.create_session(request).await.unwrap().id;
        let run = async || {
            let code = format!("{} value commit", "x".repeat(3000));
            fixture.run(session, code).await.unwrap().id
        };
        let (execution, other_execution) = (run().await, run().await);
        Self {
            template,
            capability: capability.id,
            startup_file: file.unwrap().id,
            session,
            execution,
            others: [other_template, other_session, other_execution],
            fixture,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.fixture.path()
    }

    /// Changes rows without the service, also to values that the types of the columns forbid.
    pub(super) fn change(&self, sql: &str) {
        let schema = |from: &str, to: &str| {
            let connection = Connection::open(self.path()).unwrap();
            connection
                .pragma_update(None, "writable_schema", true)
                .unwrap();
            connection
                .execute(
                    "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table'",
                    (from, to),
                )
                .unwrap();
        };
        schema(") STRICT", ") /**/");
        let connection = Connection::open(self.path()).unwrap();
        connection
            .pragma_update(None, "foreign_keys", false)
            .unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        schema(") /**/", ") STRICT");
    }

    async fn check(&self) -> CheckReport {
        self.fixture.control.check().await.unwrap()
    }

    /// How many templates, sessions, executions and events are listed.
    async fn counts(&self) -> [usize; 4] {
        let control = &self.fixture.control;
        let filter = SessionFilter::default();
        let executions = self.fixture.executions(self.session).await;
        let events = control.list_events(self.execution, 0, usize::MAX).await;
        [
            control.list_templates().await.unwrap().len(),
            control
                .list_sessions(filter, PAGE)
                .await
                .unwrap()
                .items
                .len(),
            executions.len(),
            events.map_or(0, |events| events.items.len()),
        ]
    }
}

fn assert_unreadable<T: std::fmt::Debug>(outcome: Result<T>, table: &str, id: Uuid) {
    match outcome {
        Err(Error::RecordUnreadable(record)) => {
            assert_eq!((record.table, record.id), (table, id.to_string()));
        }
        other => panic!("{table} {id} was read: {other:?}"),
    }
}

/// Changes of one row, in each column that can have an invalid value: the table, the column, the
/// value.
const CHANGES: &[(&str, &str, &str)] = &[
    ("template", "limits", "'not json'"),
    ("template", "limits", "'[1, 2]'"),
    ("template", "limits", "'null'"),
    ("template", "limits", "'{\"cpu_ms\": -1}'"),
    ("template", "resolver", "'{\"roots\": 5}'"),
    ("template", "runtime", "'{'"),
    ("template", "name", "CAST(x'ff41' AS TEXT)"),
    ("template", "is_active", "'yes'"),
    ("template", "created_at", "9223372036854775807"),
    ("session", "status", "'asleep'"),
    ("session", "template_id", "'me'"),
    ("session", "worktree_path", "x'2f746d70'"),
    ("session", "created_at", "-9223372036854775808"),
    ("session", "closed_at", "'soon'"),
    ("session", "last_error", "CAST(x'c328' AS TEXT)"),
    ("session", "runtime_meta", "'{\"a\":'"),
    ("execution", "status", "'nonsense'"),
    ("execution", "kind", "''"),
    ("execution", "input", "x'35'"),
    ("execution", "args", "'[1,'"),
    ("execution", "env", "''"),
    ("execution", "started_at", "1e300"),
    ("execution", "ended_at", "253402300800000000"),
    ("execution", "result", "char(0)"),
    ("execution", "error", "x'00'"),
    ("execution", "metrics", "'7'"),
    ("execution", "metrics", "'{\"events\": \"many\"}'"),
];

#[tokio::test]
async fn an_unreadable_row_is_left_out_of_lists_named_when_it_is_asked_for_and_found_by_the_check()
{
    for (table, column, value) in CHANGES {
        let stored = Stored::new().await;
        let whole = stored.counts().await;
        assert_eq!(stored.check().await.problems, Vec::<String>::new());
        let (id, place) = match *table {
            "template" => (stored.template, 0),
            "session" => (stored.session, 1),
            _ => (stored.execution, 2),
        };
        // An execution is listed by its session, which must be readable for that.
        let listed = async || {
            let mut counts = whole;
            let control = &stored.fixture.control;
            counts[0] = control.list_templates().await.unwrap().len();
            let filter = SessionFilter::default();
            counts[1] = control
                .list_sessions(filter, PAGE)
                .await
                .unwrap()
                .items
                .len();
            if place == 2 {
                counts[2] = stored.fixture.executions(stored.session).await.len();
            }
            counts
        };
        stored.change(&format!(
            "UPDATE {table} SET {column} = {value} WHERE id = '{id}'"
        ));
        let mut expected = whole;
        expected[place] -= 1;
        assert_eq!(listed().await, expected, "{table}.{column} = {value}");
        let control = &stored.fixture.control;
        match place {
            0 => assert_unreadable(control.get_template(id).await, table, id),
            1 => assert_unreadable(control.get_session(id).await, table, id),
            _ => assert_unreadable(control.get_execution(id).await, table, id),
        }
        let report = stored.check().await;
        let named = |problem: &String| {
            problem.starts_with(&format!("{table} {id}: ")) && problem.contains(column)
        };
        assert!(
            report.problems.iter().any(named),
            "{column} {value}: {report:?}"
        );
        assert!(!report.ok);
        // The rows beside it are readable.
        let [template, session, execution] = stored.others;
        control.get_template(template).await.unwrap();
        control.get_session(session).await.unwrap();
        control.get_execution(execution).await.unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_event_is_left_out_and_named_by_its_execution() {
    for (column, value) in [
        ("payload", "'{\"text\":'"),
        ("payload", "CAST(x'22ff22' AS TEXT)"),
        ("payload", "x'7b7d'"),
        ("type", "'rumour'"),
        ("ts", "9223372036854775807"),
        ("ts", "'now'"),
    ] {
        let stored = Stored::new().await;
        let id = stored.execution;
        let whole = stored.counts().await[3];
        stored.change(&format!(
            "UPDATE event SET {column} = {value} WHERE seq = 2
             AND execution_n = (SELECT n FROM execution WHERE id = '{id}')"
        ));
        let control = &stored.fixture.control;
        let events = control.list_events(id, 0, usize::MAX).await.unwrap();
        let seqs: Vec<_> = events.items.iter().map(|live| live.event.seq).collect();
        assert_eq!(seqs.len(), whole - 1, "{column} {value}");
        assert!(!seqs.contains(&2));
        // An unreadable event is not the end of the log.
        let next = control.list_events(id, 1, 1).await.unwrap();
        assert_eq!(next.items[0].event.seq, 3);
        let report = stored.check().await;
        let named = |problem: &String| problem.starts_with(&format!("event {id}: 2: "));
        assert!(report.problems.iter().any(named), "{value}: {report:?}");
    }
}

#[tokio::test]
async fn a_template_is_shown_without_its_unreadable_parts_and_makes_no_session() {
    let broken = "CAST(x'ff' AS TEXT)";
    for (table, row, column, value) in [
        ("capability", "id = 'C'", "config", "'[]'"),
        ("capability", "id = 'C'", "enabled", "'no'"),
        ("capability", "id = 'C'", "kind", broken),
        ("startup_file", "id = 'F'", "order_index", "'first'"),
        ("startup_file", "id = 'F'", "path", broken),
        ("template_module", "name = 'fs'", "name", broken),
        (
            "template_library",
            "name = 'lodash-4.17.21'",
            "name",
            "x'41'",
        ),
    ] {
        let stored = Stored::new().await;
        let row = row
            .replace('C', &stored.capability.to_string())
            .replace('F', &stored.startup_file.to_string());
        stored.change(&format!(
            "UPDATE {table} SET {column} = {value} WHERE {row}"
        ));
        let control = &stored.fixture.control;
        let details = control.get_template(stored.template).await.unwrap();
        let counts = [
            ("capability", details.capabilities.len()),
            ("startup_file", details.startup_files.len()),
            ("template_module", details.template.exposed_modules.len()),
            ("template_library", details.template.libraries.len()),
        ];
        for (name, count) in counts {
            assert_eq!(count, if name == table { 1 } else { 2 }, "{table}.{column}");
        }
        let request = stored.fixture.request(stored.template);
        let refused = control.create_session(request).await;
        let Err(Error::RecordUnreadable(record)) = refused else {
            panic!("{table}.{column}: {refused:?}");
        };
        assert_eq!(record.table, table);
        let report = stored.check().await;
        let named = |problem: &String| problem.starts_with(table);
        assert!(report.problems.iter().any(named), "{report:?}");
    }
}

#[tokio::test]
async fn what_rows_say_together_is_checked_though_some_are_unreadable() {
    for (change, said) in [
        ("DELETE FROM event WHERE seq = 2", "without a gap"),
        (
            "DELETE FROM event WHERE seq = 3",
            "another number of events",
        ),
        ("UPDATE execution SET ended_at = NULL", "does not say when"),
        (
            "UPDATE execution SET input = 'other'",
            "what its first event says",
        ),
        ("DELETE FROM session WHERE id = 'S'", "no session"),
        ("DELETE FROM template WHERE id = 'T'", "no template"),
        ("DELETE FROM execution WHERE id = 'E'", "no such execution"),
        (
            "DROP INDEX execution_by_session",
            "no index execution_by_session",
        ),
        (
            "ALTER TABLE execution DROP COLUMN request",
            "no column request",
        ),
        ("DROP TABLE startup_file", "no table startup_file"),
    ] {
        let stored = Stored::new().await;
        let change = change
            .replace("'S'", &format!("'{}'", stored.session))
            .replace("'T'", &format!("'{}'", stored.template))
            .replace("'E'", &format!("'{}'", stored.execution));
        let [_, _, other] = stored.others;
        stored.change(&format!(
            "{change}; UPDATE execution SET metrics = 'broken' WHERE id = '{other}'"
        ));
        let report = stored.check().await;
        for part in [said, "column metrics"] {
            let is_said = report.problems.iter().any(|problem| problem.contains(part));
            assert!(is_said, "{change}: {part:?} is not said: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_daemon_starts_on_unreadable_rows_and_ends_what_ran() {
    let stored = Stored::new().await;
    let (id, session) = (stored.execution, stored.session);
    let [_, other_session, _] = stored.others;
    // SQLite writes to no row that has bytes in a column for text.
    stored.change(&format!(
        "UPDATE execution SET status = 'running', id = 'no id', args = '(' WHERE id = '{id}';
         UPDATE session SET worktree_path = x'00', status = 'ready' WHERE id = '{session}';
         UPDATE session SET status = 'ready', runtime_meta = '' WHERE id = '{other_session}'"
    ));
    let fixture = Fixture::on(stored.fixture.close().await).await;
    let connection = Connection::open(fixture.path()).unwrap();
    let left = "SELECT (SELECT count(*) FROM execution WHERE status = 'running')
                     + (SELECT count(*) FROM session WHERE status NOT IN ('closed', 'crashed'))";
    let left: i64 = connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1);
    let report = fixture.control.check().await.unwrap();
    let said = report.problems.join("\n");
    assert!(
        said.contains(&format!("session {session}: the column worktree_path")),
        "{said}"
    );
}

#[tokio::test]
async fn settings_that_lack_fields_have_defaults_and_what_a_newer_version_stored_stays() {
    let stored = Stored::new().await;
    let id = stored.template;
    stored.change(&format!(
        "UPDATE template SET limits = '{{\"wall_ms\": 77, \"max_threads\": 3}}', resolver = '{{}}',
         runtime = ' {{\"strict\": true, \"jit\": {{\"level\": 2}}}}' WHERE id = '{id}'"
    ));
    let control = &stored.fixture.control;
    let settings = control.get_template(id).await.unwrap().settings;
    assert_eq!(
        (settings.limits.wall_ms, settings.limits.cpu_ms),
        (77, 2000)
    );
    assert_eq!(settings.resolver.roots, ["."]);
    assert!(settings.runtime.strict && settings.runtime.esm);
    let patch = serde_json::from_str("{\"limits\": {\"cpu_ms\": 55}}").unwrap();
    let changed = control.update_template(id, patch).await.unwrap().settings;
    assert_eq!((changed.limits.wall_ms, changed.limits.cpu_ms), (77, 55));
    let connection = Connection::open(stored.path()).unwrap();
    let text: String = connection
        .query_row(
            "SELECT limits || runtime FROM template WHERE id = ?",
            [id.to_string()],
            |row| row.get(0),
        )
        .unwrap();
    for kept in [
        "\"max_threads\":3",
        "\"jit\":{\"level\":2}",
        "\"cpu_ms\":55",
    ] {
        assert!(text.contains(kept), "{text}");
    }
    assert_eq!(stored.check().await.problems, Vec::<String>::new());
}
