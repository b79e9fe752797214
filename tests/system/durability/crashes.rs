//! Answered executions survive crashes of the daemon and losses of power.
//!
//! Two environment variables make these tests longer than by default. The long form:
//!
//! ```sh
//! VM_SYSTEM_CRASH_KILLS=500 VM_SYSTEM_CRASH_LOST_SYNCS=200 \
//!     cargo test --workspace --locked --test system -- crashes:: --nocapture
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use vm_system_tests::{Api, Daemon, DaemonOptions, preload_library, wait_for};

/// The number of clients that run code while the daemon is killed.
const CLIENTS: usize = 4;

/// The bound on the time of a restart: the promise is two seconds, and the machine may be busy.
const LONGEST_START: Duration = Duration::from_secs(20);

/// The answers that clients got: the ids of executions, with the number of their events.
type Answered = BTreeMap<String, u64>;

fn number_of(variable: &str, default: usize) -> usize {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().expect(variable))
}

/// Runs code until the daemon has ended, and records each answer.
fn drive(api: &Api, session: &str, number: usize, answered: &Mutex<Answered>) {
    for turn in 0.. {
        let lines = (turn * 7 + number) % 40;
        let code = format!("for (let i = 0; i < {lines}; i++) console.log('line', i); {turn}");
        let body = json!({"session_id": session, "input": code});
        let request = api
            .request(reqwest::Method::POST, "/executions/repl")
            .json(&body);
        let Ok(answer) = api.try_send(request) else {
            return;
        };
        // A dying daemon may answer that it is unavailable.
        if answer.status != 201 {
            return;
        }
        let events = answer.json["metrics"]["events"].as_u64().unwrap();
        assert_eq!(events, lines as u64 + 2, "{}", answer.text);
        let id = answer.json["id"].as_str().unwrap().to_owned();
        answered.lock().unwrap().insert(id, events);
    }
}

/// Runs code on a daemon until it is killed after this number of answers; returns its directory.
fn run_and_kill(daemon: Daemon, answers: usize, answered: &Mutex<Answered>) -> TempDir {
    let template = daemon.template();
    let sessions: Vec<_> = (0..CLIENTS)
        .map(|_| daemon.session_of(&template).id)
        .collect();
    let api = Api::new(daemon.server());
    let before = answered.lock().unwrap().len();
    std::thread::scope(|scope| {
        for (number, session) in sessions.iter().enumerate() {
            let api = &api;
            scope.spawn(move || drive(api, session, number, answered));
        }
        wait_for("some answers", || {
            (answered.lock().unwrap().len() >= before + answers).then_some(())
        });
        daemon.kill()
    })
}

/// The files of a database.
const FILES: [&str; 3] = ["test.db", "test.db-wal", "test.db-shm"];

/// Checks a copy of the database that a killed daemon has left.
fn check(home: &Path, answered: &Answered) {
    // The check opens a copy, because opening a database recovers it; the next daemon must do that.
    let copy = tempfile::tempdir().unwrap();
    for name in FILES.iter().filter(|name| home.join(name).exists()) {
        std::fs::copy(home.join(name), copy.path().join(name)).unwrap();
    }
    let connection = Connection::open(copy.path().join("test.db")).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let gaps: i64 = connection
        .query_row(
            "SELECT count(*) FROM (SELECT count(*) AS n, min(seq) AS first, max(seq) AS last FROM event
             GROUP BY execution_n) WHERE n <> last OR first <> 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(gaps, 0, "the events of an execution have a gap");
    let mut find = connection
        .prepare(
            "SELECT status, (SELECT count(*) FROM event WHERE execution_n = n) FROM execution WHERE id = ?",
        )
        .unwrap();
    for (id, events) in answered {
        let found = find.query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
        assert_eq!(found.unwrap(), ("ok".to_owned(), *events), "{id}");
    }
}

/// Starts a daemon on the directory of a killed one; returns it and the time of the start.
fn start_again(home: TempDir, env: Vec<(String, String)>) -> (Daemon, Duration) {
    let start = Instant::now();
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        env,
        ..DaemonOptions::default()
    });
    let took = start.elapsed();
    assert!(took < LONGEST_START, "{took:?}");
    (daemon, took)
}

/// A pseudo-random number that depends on the turn alone.
fn some(turn: usize) -> usize {
    (turn * 7919 + 13) % 97
}

#[test]
fn answered_executions_survive_repeated_kills_of_the_daemon() {
    let kills = number_of("VM_SYSTEM_CRASH_KILLS", 8);
    let answered = Mutex::default();
    let mut slowest = Duration::ZERO;
    let mut daemon = Daemon::start();
    for turn in 0..kills {
        let home = run_and_kill(daemon, some(turn), &answered);
        check(home.path(), &answered.lock().unwrap());
        let (next, took) = start_again(home, Vec::new());
        slowest = slowest.max(took);
        daemon = next;
        let left = daemon.api.get("/sessions?status=ready").expect_status(200);
        assert_eq!(left, json!([]), "what was left unfinished is settled");
    }
    let count = answered.lock().unwrap().len();
    println!(
        "{count} answered executions survived {kills} kills; the slowest start took {slowest:?}"
    );
}

#[test]
fn answered_executions_survive_a_loss_of_power() {
    let losses = number_of("VM_SYSTEM_CRASH_LOST_SYNCS", 5);
    let tools = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("system/durability/crashes/shadow.c");
    let library = preload_library(&source, tools.path());
    let shadow = tools.path().join("shadow");
    let env = || {
        vec![
            (
                "LD_PRELOAD".to_owned(),
                library.to_str().unwrap().to_owned(),
            ),
            ("SHADOW".to_owned(), shadow.to_str().unwrap().to_owned()),
        ]
    };
    let answered = Mutex::default();
    let mut home = tempfile::tempdir().unwrap();
    // Synced data stays, even if a later daemon does not sync it again.
    std::fs::create_dir(&shadow).unwrap();
    for turn in 0..losses {
        let (daemon, _) = start_again(home, env());
        home = run_and_kill(daemon, 10 + some(turn), &answered);
        // The disk has the synced data alone.
        for name in FILES {
            let (real, kept) = (home.path().join(name), shadow.join(name));
            // This fails if the file does not exist at this time.
            let _ = std::fs::remove_file(&real);
            if kept.exists() {
                std::fs::copy(&kept, &real).unwrap();
            }
        }
        check(home.path(), &answered.lock().unwrap());
    }
    let count = answered.lock().unwrap().len();
    println!("{count} answered executions survived {losses} losses of power");
}

/// Starts a daemon with a failpoint that is set to `what`.
fn failing(home: TempDir, what: &str) -> Daemon {
    Daemon::start_with(DaemonOptions {
        home: Some(home),
        env: vec![("FAILPOINTS".into(), what.into())],
        ..DaemonOptions::default()
    })
}

#[test]
fn a_failed_step_of_a_commit_is_reported_and_loses_nothing() {
    for step in ["store-begin", "store-commit", "store-answer"] {
        // The first commits create the template and the session.
        let what = format!("{step}=8*off->2*return->off");
        let daemon = failing(tempfile::tempdir().unwrap(), &what);
        let session = daemon.session();
        let mut answered = Answered::new();
        let mut refused = 0;
        for turn in 0..20 {
            let answer = session.submit(&format!("console.log({turn})"));
            if answer.status == 201 {
                let id = answer.json["id"].as_str().unwrap().to_owned();
                answered.insert(id, 3);
            } else {
                let answer = answer.expect_error(503, "UNAVAILABLE");
                assert!(answer.message().contains("made to fail"), "{}", answer.text);
                refused += 1;
            }
        }
        assert!(refused > 0, "{step}");
        assert!(answered.len() >= 10, "it recovers without help");
        // A refused execution ends as well.
        wait_for("nothing to run any more", || {
            let running = |execution: &Value| execution["status"] == "running";
            (!session.executions().iter().any(running)).then_some(())
        });
        let home = daemon.kill();
        check(home.path(), &answered);
    }
}

#[test]
fn a_daemon_that_dies_on_either_side_of_a_commit_has_lost_nothing_that_it_answered() {
    for step in ["store-begin", "store-commit", "store-answer"] {
        let daemon = failing(
            tempfile::tempdir().unwrap(),
            &format!("{step}=12*off->pause"),
        );
        let session = daemon.session();
        let answered = Mutex::<Answered>::default();
        let api = Api::new(daemon.server());
        let home = std::thread::scope(|scope| {
            scope.spawn(|| drive(&api, &session.id, 1, &answered));
            // A daemon that hangs gets no further request.
            let mut last = (0, Instant::now());
            wait_for("the commits to hang", || {
                let count = answered.lock().unwrap().len();
                if count != last.0 {
                    last = (count, Instant::now());
                }
                (count > 0 && last.1.elapsed() > Duration::from_secs(5)).then_some(())
            });
            daemon.kill()
        });
        let answered = answered.into_inner().unwrap();
        check(home.path(), &answered);
        let (daemon, _) = start_again(home, Vec::new());
        for (id, events) in &answered {
            let found = daemon
                .api
                .get(&format!("/executions/{id}"))
                .expect_status(200);
            assert_eq!(found["metrics"]["events"], *events);
        }
    }
}

#[test]
fn a_missing_database_is_reported_and_used_again_when_it_is_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("1");
    for name in ["test.db", "test.db-wal"] {
        let (path, away) = (daemon.home().join(name), daemon.home().join("away"));
        std::fs::rename(&path, &away).unwrap();
        let answer = session.submit("2").expect_error(503, "UNAVAILABLE");
        assert!(answer.message().contains(name), "{}", answer.text);
        std::fs::rename(&away, &path).unwrap();
        wait_for("the daemon to recover", || {
            (session.submit("3").status == 201).then_some(())
        });
    }
    // Another file in its place is not used.
    let (path, away) = (daemon.home().join("test.db"), daemon.home().join("away"));
    std::fs::rename(&path, &away).unwrap();
    std::fs::copy(&away, &path).unwrap();
    session.submit("4").expect_error(503, "UNAVAILABLE");
}
