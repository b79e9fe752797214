//! Databases that a disk or a program has damaged, and those of the Go service.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use vm_system_tests::{ANY_PORT, Answer, Daemon, Session, command};

use crate::support::cli::{CliOutput, output_of};

/// The bound on the time until the daemon reports that it can't start.
const START_BOUND: Duration = Duration::from_secs(10);

/// `ops check --db` of a file.
fn check(db: &Path) -> (CliOutput, Value) {
    let ran = output_of(command().args(["ops", "check", "--db"]).arg(db));
    let report = serde_json::from_str(&ran.stdout).unwrap_or(Value::Null);
    (ran, report)
}

/// Changes the database without the daemon.
fn change(daemon: &Daemon, sql: &str) {
    let connection = Connection::open(daemon.home().join("test.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Records of a daemon, some of which were damaged behind its back.
struct Damaged {
    session: Session,
    /// The execution that can be read; one of its three events can't.
    good: Value,
    /// The id of the damaged execution of the session.
    bad: String,
    /// The id of a damaged session.
    other: String,
    /// The id of a damaged template.
    template: String,
}

fn id_of(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

impl Damaged {
    fn create(daemon: &Daemon) -> Self {
        let session = daemon.session();
        let (bad, good) = (session.run("1"), session.run("console.log(2); 3"));
        let (bad, good_id) = (id_of(&bad), id_of(&good));
        let other = daemon.session().id.clone();
        let template = daemon.template();
        change(
            daemon,
            &format!(
                "UPDATE execution SET status = 'nonsense' WHERE id = '{bad}';
                 UPDATE session SET runtime_meta = '{{' WHERE id = '{other}';
                 UPDATE template SET limits = 'none' WHERE id = '{template}';
                 UPDATE event SET payload = '{{' WHERE seq = 2
                 AND execution_n = (SELECT n FROM execution WHERE id = '{good_id}')"
            ),
        );
        Self {
            session,
            good,
            bad,
            other,
            template,
        }
    }
}

#[test]
fn lists_leave_an_unreadable_record_out_and_a_request_for_it_names_it() {
    let daemon = Daemon::start();
    let damaged = Damaged::create(&daemon);
    let Damaged {
        session,
        good,
        bad,
        other,
        template,
    } = &damaged;
    let list = |path: &str| -> Vec<Value> {
        let list = daemon.api.get(path).expect_status(200);
        list.as_array().unwrap().clone()
    };
    let ids = |path: &str| -> Vec<String> { list(path).iter().map(id_of).collect() };
    let executions = format!("/executions?session_id={}", session.id);
    assert_eq!(ids(&executions), [id_of(good)]);
    assert_eq!(ids("/sessions"), [&*session.id]);
    assert!(!ids("/templates").contains(template));
    assert_eq!(ids("/templates").len(), 2);
    let numbers = session.events(good);
    let numbers: Vec<_> = numbers.iter().map(|event| &event["seq"]).collect();
    assert_eq!(numbers, [&json!(1), &json!(3)]);
    // The events of an unreadable execution can still be read.
    assert_eq!(list(&format!("/executions/{bad}/events")).len(), 2);
    for (path, name, id) in [
        (format!("/executions/{bad}"), "execution_id", bad),
        (
            format!("/executions/{bad}/events/stream"),
            "execution_id",
            bad,
        ),
        (format!("/sessions/{other}"), "session_id", other),
        (format!("/templates/{template}"), "template_id", template),
        (
            format!("/templates/{template}/modules"),
            "template_id",
            template,
        ),
    ] {
        let answer = daemon.api.get(&path).expect_error(500, "RECORD_UNREADABLE");
        assert_eq!(answer.json["error"]["details"][name], **id, "{path}");
        assert!(
            answer.message().contains(id.as_str()),
            "{}",
            answer.message()
        );
    }
    assert!(
        daemon.log().contains("left out of a list"),
        "{}",
        daemon.log()
    );
    // A template that can't be read can be deleted.
    daemon
        .api
        .delete(&format!("/templates/{template}"))
        .expect_status(200);
}

#[test]
fn a_check_names_every_unreadable_record() {
    let daemon = Daemon::start();
    let damaged = Damaged::create(&daemon);
    let checked = output_of(&mut daemon.cli(&["ops", "check"]));
    assert_eq!(checked.status, 1, "{}", checked.stderr);
    let report: Value = serde_json::from_str(&checked.stdout).unwrap();
    let problems = report["problems"].to_string();
    for named in [
        format!("execution {}: ", damaged.bad),
        format!("session {}: ", damaged.other),
        format!("template {}: ", damaged.template),
        format!("event {}: 2: ", id_of(&damaged.good)),
    ] {
        assert!(problems.contains(&named), "{named} is not in {problems}");
    }
    // The file can be checked although the daemon has it open.
    let (checked, beside) = check(&daemon.home().join("test.db"));
    assert_eq!(
        (checked.status, &beside["problems"]),
        (1, &report["problems"])
    );
}

/// All routes that read stored records.
fn routes(home: &Path) -> Vec<String> {
    let connection = Connection::open(home.join("test.db")).unwrap();
    let ids = |table: &str| -> Vec<String> {
        let sql = format!("SELECT id FROM {table}");
        let mut statement = connection.prepare(&sql).unwrap();
        let ids = statement.query_map([], |row| row.get(0)).unwrap();
        ids.collect::<Result<_, _>>().unwrap()
    };
    let mut routes: Vec<String> = [
        "/health",
        "/runtime/summary",
        "/runtime/check",
        "/templates",
        "/sessions",
        "/sessions?status=closed",
        "/metadata/modules",
        "/ids/0",
    ]
    .map(str::to_owned)
    .into();
    for id in ids("template") {
        for part in [
            "",
            "/capabilities",
            "/startup-files",
            "/modules",
            "/libraries",
        ] {
            routes.push(format!("/templates/{id}{part}"));
        }
    }
    for id in ids("session") {
        routes.push(format!("/sessions/{id}"));
        routes.push(format!("/executions?session_id={id}&limit=5"));
    }
    for id in ids("execution") {
        routes.push(format!("/executions/{id}"));
        routes.push(format!("/executions/{id}/events"));
    }
    routes
}

/// The ways in which a page is damaged.
const DAMAGES: [&str; 3] = ["zero", "fill", "cut"];

fn damaged(whole: &[u8], page: usize, page_bytes: usize, damage: &str) -> Vec<u8> {
    let place = page * page_bytes..(page + 1) * page_bytes;
    let mut bytes = whole.to_vec();
    match damage {
        "zero" => bytes[place].fill(0),
        "fill" => {
            for (at, byte) in bytes[place].iter_mut().enumerate() {
                *byte = u8::try_from((at * 31 + page * 7 + at / 5) % 251).unwrap();
            }
        }
        _ => bytes.truncate(place.start),
    }
    bytes
}

#[test]
fn a_daemon_on_a_damaged_page_answers_or_ends_soon_and_the_check_finds_it() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["fs"]));
    for _ in 0..3 {
        session.run("console.log('a'.repeat(3000)); 'b'.repeat(3000)");
    }
    session.close();
    let home = daemon.stop();
    let db = home.path().join("test.db");
    assert_eq!(check(&db).0.status, 0);
    let routes = routes(home.path());
    let whole = fs::read(&db).unwrap();
    let page_bytes = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    let pages = whole.len() / page_bytes;
    assert_eq!(whole[32..40], [0; 8], "there are free pages");
    for page in 0..pages {
        // The unit tests damage each page in each way; this test damages it in one way.
        let damage = DAMAGES[page % DAMAGES.len()];
        let what = format!("{damage} of page {} of {pages}", page + 1);
        let home = tempfile::tempdir().unwrap();
        let db = home.path().join("test.db");
        let bytes = damaged(&whole, page, page_bytes, damage);
        fs::write(&db, &bytes).unwrap();
        let (checked, report) = check(&db);
        assert_eq!(checked.status, 1, "{what}: {checked:?}");
        assert_eq!(report["ok"], false, "{what}: {checked:?}");
        serve_damaged(home, &routes, &what);
    }
}

/// Starts a daemon on a damaged database and, if it starts, requests all routes.
fn serve_damaged(home: TempDir, routes: &[String], what: &str) {
    let db = home.path().join("test.db");
    let probe = tempfile::tempdir().unwrap();
    fs::copy(&db, probe.path().join("test.db")).unwrap();
    // A first daemon, on a copy, shows whether a daemon starts on this database, and if not, why.
    // If it does, a second daemon answers the requests.
    let begun = Instant::now();
    let mut serve = Daemon::serve_command(probe.path());
    let mut child = serve
        .args(ANY_PORT)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    if line.is_empty() {
        let ended = child.wait_with_output().unwrap();
        assert!(begun.elapsed() < START_BOUND, "{what}: it took too long");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{what}: {said}");
        let path = probe.path().join("test.db");
        assert!(said.contains(path.to_str().unwrap()), "{what}: {said}");
        return;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let daemon = Daemon::start_in(home);
    for route in routes {
        let Answer { status, text, .. } = daemon.api.get(route);
        let is_good = matches!(status, 200 | 404 | 503)
            || status == 500 && text.contains("RECORD_UNREADABLE");
        assert!(is_good, "{what}: {route}: {status} {text}");
        assert!(status == 200 || route != "/health" && route != "/runtime/check");
    }
    daemon.stop();
}

/// The database of the Go service, in a directory of its own.
fn go_database(name: &str) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/vmstore-sqlite/fixtures/go-service.sql");
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    let script = fs::read_to_string(script).unwrap();
    connection.execute_batch(&script).unwrap();
    connection.close().unwrap();
    let real = path.canonicalize().unwrap();
    (home, real)
}

fn import(home: &Path, args: &[&str]) -> CliOutput {
    output_of(
        command()
            .args(["ops", "import"])
            .args(args)
            .current_dir(home),
    )
}

#[test]
fn a_database_of_the_go_service_is_imported_by_the_command_that_serve_names() {
    let (home, old) = go_database("vm-system.db");
    let before = fs::read(&old).unwrap();
    let refused = output_of(
        command()
            .args(["serve", "--db", "vm-system.db"])
            .args(ANY_PORT)
            .current_dir(home.path()),
    );
    let said = format!("vm-system ops import {}", old.display());
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains(&said), "{}", refused.stderr);
    let old_name = old.to_str().unwrap();
    // The old database has the default name of a new one, so that `--db` must name another.
    let unclear = import(home.path(), &[old_name]);
    assert_eq!(unclear.status, 2, "{}", unclear.stderr);
    assert!(
        unclear.stderr.contains("--db is required"),
        "{}",
        unclear.stderr
    );
    let said = import(home.path(), &[old_name, "--db", "test.db"]).ok();
    for line in [
        "  templates: 3",
        "  capabilities: 3",
        "  sessions: 4 (2 were open and are closed now)",
        "  executions: 3 (1 ran and have ended with an error now)",
        "  events: 5",
    ] {
        assert!(
            said.lines().any(|found| found == line),
            "{line:?} is not in {said}"
        );
    }
    assert!(said.contains("quantum:leap"), "{said}");
    let full = import(home.path(), &[old_name, "--db", "test.db"]);
    assert!(full.error(1).contains("not empty"), "{}", full.stderr);
    let same = import(home.path(), &[old_name, "--db", "vm-system.db"]);
    assert!(same.error(1).contains("not empty"), "{}", same.stderr);
    assert!(
        fs::read(&old).unwrap() == before,
        "the old database has changed"
    );
    let daemon = Daemon::start_in(home);
    let held = import(daemon.home(), &[old_name, "--db", "test.db"]);
    assert!(held.error(1).contains("in use"), "{}", held.stderr);
    let templates = daemon.api.get("/templates").expect_status(200);
    assert_eq!(templates[1]["libraries"][0], "lodash-4.17.21");
    assert_eq!(templates[1]["engine"], "node");
    let execution = "50000000-0000-4000-8000-000000000001";
    let events = daemon.api.get(&format!("/executions/{execution}/events"));
    assert_eq!(events.expect_status(200)[1]["payload"]["text"], "hi");
    let checked = output_of(&mut daemon.cli(&["ops", "check"])).ok();
    assert!(checked.contains("\"ok\":true"), "{checked}");
}

#[test]
fn an_import_without_a_name_makes_the_default_database_and_reports_it_as_json() {
    let (home, old) = go_database("from-before.db");
    let old = old.to_str().unwrap();
    let said = import(home.path(), &[old, "--output", "json"]).ok();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["templates"], &said["into"]),
        (&json!(3), &json!("vm-system.db"))
    );
    assert!(!said["left_out"].as_array().unwrap().is_empty());
    assert_eq!(check(&home.path().join("vm-system.db")).0.status, 0);
}

#[test]
fn databases_of_each_version_are_served() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/vmstore-sqlite/fixtures");
    let mut count = 0;
    for entry in fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "db") {
            continue;
        }
        count += 1;
        let home = tempfile::tempdir().unwrap();
        fs::copy(&path, home.path().join("test.db")).unwrap();
        assert_eq!(check(&home.path().join("test.db")).0.status, 0, "{path:?}");
        let routes = routes(home.path());
        let daemon = Daemon::start_in(home);
        for route in &routes {
            let answer = daemon.api.get(route);
            assert_eq!(answer.status, 200, "{path:?}: {route}: {}", answer.text);
        }
        let template = daemon.api.get("/templates").expect_status(200)[0]["id"].clone();
        let template = template.as_str().unwrap();
        let active = json!({"is_active": true});
        daemon
            .api
            .patch(&format!("/templates/{template}"), &active)
            .expect_status(200);
        let session = daemon.session_of(template);
        assert_eq!(session.eval("6 * 7"), "42");
    }
    assert!(count >= 2);
}
