//! Restarts and orderly stops of the daemon.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use vm_system_tests::{Answer, Api, Daemon, Process, Session, wait_for};

use crate::support::assertions::{assert_has, is_timestamp, text};

/// Starts a daemon with a grace period.
fn start_with_grace(seconds: &str) -> Daemon {
    Daemon::start_with_args(&["--shutdown-timeout", seconds])
}

/// The names in a directory, sorted.
fn names(home: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The events of an execution, without gaps, from a daemon that did not run it.
fn events(daemon: &Daemon, execution: &str) -> Vec<Value> {
    let path = format!("/executions/{execution}/events");
    let list = daemon
        .api
        .get(&path)
        .expect_status(200)
        .as_array()
        .unwrap()
        .clone();
    for (event, expected) in list.iter().zip(1_u64..) {
        assert_eq!(event["seq"], expected, "{list:?}");
    }
    list
}

#[test]
fn a_restart_ends_the_executions_that_a_killed_daemon_left() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    let idle = daemon.session();
    let closed = daemon.session();
    let closed_record = closed.close();
    let running = session.start("for (let i = 0; i < 3; ++i) console.log(i); while (true);");
    let id = text(&session.executions()[0], "id").to_owned();
    wait_for("the events to be stored", || {
        (events(&daemon, &id).len() == 4).then_some(())
    });
    let daemon = Daemon::start_in(daemon.kill());
    assert!(
        running.join().is_err(),
        "the client sees that the daemon is gone"
    );
    let execution = daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_status(200);
    assert_eq!(execution["status"], "error", "{execution}");
    assert!(is_timestamp(&execution["ended_at"]), "{execution}");
    assert!(!text(&execution["error"], "message").is_empty());
    let events = events(&daemon, &id);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "exception", "{events:?}");
    assert_eq!(last["payload"], execution["error"]);
    assert_eq!(events.len(), 5, "{events:?}");
    for id in [&session.id, &idle.id] {
        let record = daemon
            .api
            .get(&format!("/sessions/{id}"))
            .expect_status(200);
        assert_eq!(record["status"], "closed");
        assert!(!text(&record, "last_error").is_empty());
        assert!(is_timestamp(&record["closed_at"]));
        let body = json!({"session_id": id, "input": "1"});
        daemon
            .api
            .post("/executions/repl", &body)
            .expect_error(409, "SESSION_NOT_READY");
    }
    let path = format!("/sessions/{}", closed.id);
    assert_eq!(daemon.api.get(&path).expect_status(200), closed_record);
    let summary = daemon.api.get("/runtime/summary").expect_status(200);
    assert_eq!(summary["active_sessions"], 0);
    let ready = daemon.api.get("/sessions?status=ready").expect_status(200);
    assert_eq!(ready, json!([]));
}

#[test]
fn history_survives_a_restart() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    let session = daemon.session_of(&template);
    let execution = session.run("console.log('kept'); 42");
    let paths = [
        "/templates".to_owned(),
        format!("/templates/{template}"),
        format!("/executions?session_id={}", session.id),
        format!("/executions/{}", text(&execution, "id")),
        format!("/executions/{}/events", text(&execution, "id")),
    ];
    let before = paths
        .each_ref()
        .map(|path| daemon.api.get(path).expect_status(200));
    let mut home = daemon.stop();
    for _ in 0..2 {
        let daemon = Daemon::start_in(home);
        let after = paths
            .each_ref()
            .map(|path| daemon.api.get(path).expect_status(200));
        assert_eq!(before, after);
        let record = daemon
            .api
            .get(&format!("/sessions/{}", session.id))
            .expect_status(200);
        assert_eq!(record["status"], "closed");
        assert_has(&record, &["last_error", "closed_at", "runtime_meta"]);
        assert_eq!(daemon.session_of(&template).eval("1 + 1"), "2");
        home = daemon.stop();
    }
}

#[test]
fn an_answered_execution_survives_a_kill() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let executions: Vec<_> = (0..20)
        .map(|number| session.run(&number.to_string()))
        .collect();
    let template = daemon.template();
    let daemon = Daemon::start_in(daemon.kill());
    for execution in executions {
        let path = format!("/executions/{}", text(&execution, "id"));
        assert_eq!(daemon.api.get(&path).expect_status(200), execution);
        assert_eq!(events(&daemon, text(&execution, "id")).len(), 2);
    }
    daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect_status(200);
}

/// Stops a daemon while an execution runs in it; returns the answer to the execution, and the
/// daemon's directory.
fn stop_during(daemon: Daemon, session: &Session, code: &str) -> (Answer, TempDir) {
    let running = session.start(code);
    let home = daemon.stop();
    (running.join().expect("it is answered"), home)
}

#[test]
fn a_running_execution_may_end_within_the_grace_period() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "await new Promise(done => setTimeout(done, 2000)); console.log('end'); 7";
    let (answer, home) = stop_during(daemon, &session, code);
    let execution = answer.expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
    assert_eq!(execution["result"]["preview"], "7");
    let daemon = Daemon::start_in(home);
    let path = format!("/executions/{}", text(&execution, "id"));
    assert_eq!(daemon.api.get(&path).expect_status(200), execution);
}

#[test]
fn an_execution_that_outlives_the_grace_period_is_cancelled() {
    let daemon = start_with_grace("0");
    let session = daemon.session();
    let (answer, home) = stop_during(daemon, &session, "while (true);");
    let execution = answer.expect_status(201);
    assert_eq!(execution["status"], "cancelled", "{execution}");
    let daemon = Daemon::start_in(home);
    let path = format!("/executions/{}", text(&execution, "id"));
    assert_eq!(daemon.api.get(&path).expect_status(200), execution);
    let record = daemon
        .api
        .get(&format!("/sessions/{}", session.id))
        .expect_status(200);
    assert_eq!(record["status"], "closed");
}

#[test]
fn a_stop_leaves_no_process_and_no_file() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Daemon::start();
        let sessions = [daemon.session(), daemon.session()];
        sessions[0].eval("1");
        let processes = wait_for("all processes, with one that waits for a session", || {
            let all = Process::descendants(daemon.pid());
            (all.len() >= 4).then_some(all)
        });
        daemon.signal(signal);
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0), "{}", daemon.log());
        assert_eq!(names(daemon.home()), ["daemon.log", "test.db", "worktree"]);
        for process in processes {
            wait_for("the end of a process", || {
                (!Process::is_alive(process.pid)).then_some(())
            });
        }
    }
}

#[test]
fn a_stopping_daemon_takes_no_new_connections() {
    let daemon = start_with_grace("30");
    let session = daemon.session();
    let running = session.start("await new Promise(done => setTimeout(done, 3000)); 7");
    daemon.signal(Signal::SIGTERM);
    let address = daemon.server().trim_start_matches("http://").to_owned();
    wait_for("the refusal of a connection", || {
        std::net::TcpStream::connect(&address)
            .is_err()
            .then_some(())
    });
    assert_eq!(
        running.join().unwrap().expect_status(201)["result"]["preview"],
        "7"
    );
    let mut daemon = daemon;
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_signal_right_after_the_line_of_the_daemon_stops_it_in_order() {
    for _ in 0..20 {
        let home = Daemon::start().stop();
        assert_eq!(names(home.path()), ["daemon.log", "test.db", "worktree"]);
    }
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    let mut daemon = start_with_grace("600");
    let template = daemon.template();
    let session = daemon.session_of(&template);
    let running = session.start("while (true);");
    let processes = Process::descendants(daemon.pid());
    daemon.signal(Signal::SIGTERM);
    let address = daemon.server().trim_start_matches("http://").to_owned();
    wait_for("the refusal of a connection", || {
        std::net::TcpStream::connect(&address)
            .is_err()
            .then_some(())
    });
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    for process in processes {
        wait_for("the end of a process", || {
            (!Process::is_alive(process.pid)).then_some(())
        });
    }
    // The execution may have been answered or not.
    let _ = running.join();
}

#[test]
fn there_is_room_for_the_descriptors_of_all_sessions_from_the_start() {
    let daemon = Daemon::start_with_args(&["--max-sessions", "2000"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let room = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
    let room: usize = room.unwrap().trim().parse().unwrap();
    assert!(room >= 6000, "{room}");
}

#[test]
fn a_daemon_whose_log_is_not_read_serves_and_stops() {
    let home = TempDir::new().unwrap();
    let (unread, log) = std::io::pipe().unwrap();
    let mut child = Daemon::serve_command(home.path())
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let url = line
        .split(' ')
        .find(|word| word.starts_with("http"))
        .unwrap();
    // The log has far more lines than a pipe holds.
    let api = Api::new(url);
    for _ in 0..1000 {
        api.get("/health").expect_status(200);
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let status = wait_for("the daemon to end", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    drop(unread);
}
