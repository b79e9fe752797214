//! Answered executions survive crashes of the daemon and losses of power.
//!
//! Two variables of the environment make it last longer than it does by default. The long form:
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

/// How many clients run code while the daemon is killed.
const CLIENTS: usize = 4;

/// How long a daemon may take to be up again: the promise is two seconds, and a machine may be
/// busy.
const LONGEST_START: Duration = Duration::from_secs(20);

/// What clients were answered: the ids of executions, with the number of their events.
type Answered = BTreeMap<String, u64>;

fn number_of(variable: &str, default: usize) -> usize {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().expect(variable))
}

/// Runs code until the daemon is gone, and notes each answer.
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
        // The last thing that a dying daemon says may be that it is.
        if answer.status != 201 {
            return;
        }
        let events = answer.json["metrics"]["events"].as_u64().unwrap();
        assert_eq!(events, lines as u64 + 2, "{}", answer.text);
        let id = answer.json["id"].as_str().unwrap().to_owned();
        answered.lock().unwrap().insert(id, events);
    }
}

/// Runs code on a daemon until it is killed, after so many more answers; returns its directory.
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

/// The files that a database consists of.
const FILES: [&str; 3] = ["test.db", "test.db-wal", "test.db-shm"];

/// Checks a copy of the database that a killed daemon has left.
fn check(home: &Path, answered: &Answered) {
    // Opening a database recovers it, which is left to the next daemon.
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

/// Starts a daemon on a directory where one was killed; how long that took.
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

/// Differs from turn to turn, and is the same in every run.
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
    // What was synced once stays, also if a later daemon does not sync it again.
    std::fs::create_dir(&shadow).unwrap();
    for turn in 0..losses {
        let (daemon, _) = start_again(home, env());
        home = run_and_kill(daemon, 10 + some(turn), &answered);
        // The disk has what was synced, and nothing else.
        for name in FILES {
            let (real, kept) = (home.path().join(name), shadow.join(name));
            // Not every file is there at every time.
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
        // The first commits make the template and the session.
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
        // What was refused comes to an end, too.
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
            // It is asked nothing more once it hangs.
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
    // A file that takes its place is not taken for it.
    let (path, away) = (daemon.home().join("test.db"), daemon.home().join("away"));
    std::fs::rename(&path, &away).unwrap();
    std::fs::copy(&away, &path).unwrap();
    session.submit("4").expect_error(503, "UNAVAILABLE");
}
