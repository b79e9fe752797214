//! `kill -9` of each kind of process, idle and at work.

use nix::libc::{RLIMIT_NOFILE, prlimit, rlimit};
use serde_json::{Value, json};
use vm_system_tests::{Daemon, DaemonOptions, Process, Role, Session, wait_for};

use crate::durability::stopping::wait_until_dead;

/// A session whose heap holds 7.
fn session_with_mark(daemon: &Daemon) -> Session {
    let session = daemon.session_with_long_limits();
    assert_eq!(session.eval("globalThis.mark = 7"), "7");
    session.checkpoint();
    session
}

fn wait_until_crashed(session: &Session) -> Value {
    wait_for("the session to be crashed", || {
        let record = session.record();
        (record["status"] == "crashed").then_some(record)
    })
}

/// Starts an endless execution and cancels it.
fn cancel_at_once(daemon: &Daemon, session: &Session) {
    let body = json!({"session_id": session.id, "input": "while (true);", "wait_ms": 0});
    let running = daemon
        .api
        .post("/executions/repl", &body)
        .expect_status(202);
    let path = format!("/executions/{}/cancel", running["id"].as_str().unwrap());
    let cancelled = daemon.api.post(&path, &json!({})).expect_status(200);
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
}

fn error_code(execution: &Value) -> &str {
    execution["error"]["code"].as_str().unwrap_or_default()
}

#[test]
fn an_idle_session_process_that_is_killed_loses_nothing() {
    let daemon = Daemon::start();
    let session = session_with_mark(&daemon);
    for _ in 0..5 {
        let pid = daemon.process_of(&session, Role::Session);
        Process::kill(pid);
        assert_eq!(session.eval("mark"), "7");
        assert_ne!(daemon.process_of(&session, Role::Session), pid);
        daemon.process_of(&session, Role::Checkpoint);
    }
}

#[test]
fn a_session_that_has_run_nothing_is_respawned_when_its_process_is_killed() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    let body = json!({"kind": "global", "name": "given", "config": {"value": [1, 2]}});
    let path = format!("/templates/{template}/capabilities");
    daemon.api.post(&path, &body).expect_status(201);
    let session = daemon.session_of(&template);
    assert_eq!(daemon.find_process(&session, Role::Checkpoint), None);
    for _ in 0..5 {
        let pid = daemon.process_of(&session, Role::Session);
        Process::kill(pid);
        daemon.wait_for_replacement(pid, &session, Role::Session);
        assert_eq!(session.record()["status"], "ready");
    }
    assert_eq!(session.eval("given.length"), "2");
    assert_eq!(
        session.eval("typeof require('fs').readFileSync"),
        "function"
    );
    session.checkpoint();
    daemon.process_of(&session, Role::Checkpoint);
}

#[test]
fn a_first_execution_is_rolled_back_to_the_session_as_it_was_made() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    for code in [
        "globalThis.mark = 1; while (true);",
        "globalThis.mark = 1; const all = []; while (true) all.push(new Array(1e6).fill(1));",
        "globalThis.mark = 1; await new Promise(() => {});",
    ] {
        let body = json!({"session_id": session.id, "input": code, "limits": {"wall_ms": 400}});
        let execution = daemon
            .api
            .post("/executions/repl", &body)
            .expect_status(201);
        assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
        cancel_at_once(&daemon, &session);
    }
    assert_eq!(session.eval("typeof mark"), "undefined");
}

#[test]
fn a_session_survives_a_time_in_which_forks_fail() {
    let daemon = Daemon::start_with(DaemonOptions {
        env: vec![("VM_SYSTEM_LOG".into(), "debug".into())],
        ..DaemonOptions::default()
    });
    let session = daemon.session();
    let zygote = daemon.zygote();
    // Without descriptors, the zygote can't receive the socket of the next process.
    let before = limit_descriptors(zygote, 4);
    Process::kill(daemon.process_of(&session, Role::Session));
    wait_for("the zygote to refuse", || {
        (daemon.log().matches("is asked for again").count() > 2).then_some(())
    });
    // The daemon asks a hundred times, for three seconds.
    limit_descriptors(zygote, before);
    assert_eq!(session.record()["status"], "ready");
    assert_eq!(session.eval("1 + 1"), "2");
}

/// Sets the descriptor limit of a process; returns the previous limit.
fn limit_descriptors(pid: i32, most: u64) -> u64 {
    let mut before = rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `before` lives until the call returns.
    let asked = unsafe { prlimit(pid, RLIMIT_NOFILE, std::ptr::null(), &raw mut before) };
    assert_eq!(asked, 0, "the process is there");
    let limit = rlimit {
        rlim_cur: most,
        ..before
    };
    // SAFETY: `limit` lives until the call returns.
    let limited = unsafe { prlimit(pid, RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(limited, 0, "a limit below the highest can be set");
    before.rlim_cur
}

#[test]
fn a_running_session_process_that_is_killed_is_rolled_back() {
    let daemon = Daemon::start();
    let session = session_with_mark(&daemon);
    let running = session.start("console.log('begun'); mark = 8; while (true);");
    // A script that has not begun is run by the promoted process.
    wait_for("the script to begin", || {
        (!session.console(&session.executions()[0]).is_empty()).then_some(())
    });
    Process::kill(daemon.process_of(&session, Role::Session));
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "error");
    assert_eq!(error_code(&execution), "RUNTIME_CRASHED");
    assert_eq!(execution["error"]["rolled_back"], true);
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("SIGKILL"), "{message}");
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn a_checkpoint_that_is_killed_while_idle_is_replaced() {
    let daemon = Daemon::start();
    let session = session_with_mark(&daemon);
    let checkpoint = daemon.process_of(&session, Role::Checkpoint);
    Process::kill(checkpoint);
    daemon.wait_for_replacement(checkpoint, &session, Role::Checkpoint);
    assert_eq!(session.eval("mark"), "7");
    Process::kill(daemon.process_of(&session, Role::Session));
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn an_execution_that_ends_well_does_not_need_its_killed_checkpoint() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    session.eval("globalThis.mark = 7");
    session.checkpoint();
    let running = session.start("while (!require('fs').existsSync('go')); ++mark");
    Process::kill(daemon.process_of(&session, Role::Checkpoint));
    daemon.write("go", "");
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
    Process::kill(daemon.process_of(&session, Role::Session));
    assert_eq!(session.eval("mark"), "8");
}

#[test]
fn a_session_reports_that_its_checkpoint_was_killed_before_a_roll_back() {
    let daemon = Daemon::start();
    for (code, limits, cause) in [
        ("while (true);", json!({"wall_ms": 800}), "800 ms (wall_ms)"),
        (
            "while (true);",
            json!({"cpu_ms": 300}),
            "300 ms of CPU time (cpu_ms)",
        ),
        (
            "await new Promise((done) => setTimeout(done, 6e5))",
            json!({"wall_ms": 900}),
            "900 ms (wall_ms)",
        ),
    ] {
        let session = session_with_mark(&daemon);
        let checkpoint = daemon.checkpoint(&session);
        let body = json!({"session_id": session.id, "input": code, "limits": limits});
        let api = daemon.api.clone();
        let running = std::thread::spawn(move || api.post("/executions/repl", &body));
        wait_for("the script to run", || {
            (session.executions()[0]["status"] == "running").then_some(())
        });
        Process::kill(checkpoint);
        let execution = running.join().unwrap().expect_status(201);
        assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
        let record = wait_until_crashed(&session);
        let reason = record["last_error"].as_str().unwrap();
        for part in [
            "its checkpoint died while an execution ran",
            "SIGKILL",
            cause,
        ] {
            assert!(reason.contains(part), "{reason}");
        }
    }
}

#[test]
fn a_session_survives_the_loss_of_both_processes_if_its_replay_log_is_complete() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.raise_time_limits(&template);
    // On a slow machine some code is committed with a checkpoint; the replay log is then
    // incomplete.
    let session = wait_for("a session with a complete log", || {
        let session = daemon.session_of(&template);
        session.eval("var list = [1]");
        session.eval("list.push(2)");
        daemon
            .find_process(&session, Role::Checkpoint)
            .is_none()
            .then_some(session)
    });
    // A process that replays has a checkpoint, which holds only what the replay log holds.
    Process::kill(daemon.process_of(&session, Role::Session));
    for round in 0..5 {
        let checkpoint = daemon.process_of(&session, Role::Checkpoint);
        let code = [
            "while (true);",
            "await new Promise((done) => setTimeout(done, 6e5))",
        ][round % 2];
        let code = format!("list.push('lost'); {code}");
        let body = json!({"session_id": session.id, "input": code, "limits": {"wall_ms": 800}});
        let api = daemon.api.clone();
        let running = std::thread::spawn(move || api.post("/executions/repl", &body));
        wait_for("the script to run", || {
            (session.executions()[0]["status"] == "running").then_some(())
        });
        Process::kill(checkpoint);
        let execution = running.join().unwrap().expect_status(201);
        assert_eq!(execution["status"], "timeout", "{execution}");
        assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
        let inspect = json!({"expression": "list"});
        let path = format!("/sessions/{}/inspect", session.id);
        let seen = daemon.api.post(&path, &inspect).expect_status(200);
        assert_eq!(seen["text"], "[ 1, 2 ]");
        assert_eq!(session.record()["status"], "ready");
    }
    assert_eq!(session.eval("list.join()"), "1,2");
}

#[test]
fn a_session_moves_to_another_zygote_if_its_replay_log_is_complete() {
    let daemon = Daemon::start();
    let sessions: Vec<_> = (0..10).map(|_| daemon.session_with_long_limits()).collect();
    for (index, session) in sessions.iter().enumerate() {
        session.eval(&format!("var own = {index}"));
    }
    let running = sessions[0].start("own = 'lost'; while (true);");
    let (kept, lost): (Vec<_>, Vec<_>) = sessions
        .iter()
        .enumerate()
        .partition(|(_, session)| daemon.find_process(session, Role::Checkpoint).is_none());
    Process::kill(daemon.zygote());
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "error", "{execution}");
    assert_eq!(error_code(&execution), "RUNTIME_CRASHED");
    for (index, session) in kept {
        assert_eq!(session.eval("own"), index.to_string());
    }
    for (_, session) in lost {
        wait_until_crashed(session);
    }
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

#[test]
fn no_two_processes_of_a_session_have_its_name() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let name = format!("vms-s-{}", &session.id[..8]);
    let other = session.clone();
    let running = std::thread::spawn(move || {
        for _ in 0..100 {
            other.checkpoint();
        }
    });
    let mut observations = 0;
    while !running.is_finished() {
        let mut all = Process::descendants(daemon.pid());
        all.retain(|process| process.name == name && process.state != 'Z');
        assert!(all.len() <= 1, "{all:?}");
        observations += 1;
    }
    running.join().unwrap();
    assert!(observations > 10);
}

#[test]
fn a_session_without_any_process_left_is_crashed_and_others_go_on() {
    let daemon = Daemon::start();
    let (session, other) = (session_with_mark(&daemon), session_with_mark(&daemon));
    let running = session.start("while (true);");
    Process::kill(daemon.process_of(&session, Role::Checkpoint));
    Process::kill(daemon.process_of(&session, Role::Session));
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "error");
    assert_eq!(error_code(&execution), "RUNTIME_CRASHED");
    let record = wait_until_crashed(&session);
    assert!(record["last_error"].is_string(), "{record}");
    session.submit("1").expect_error(409, "SESSION_NOT_READY");
    assert_eq!(other.eval("mark"), "7");
}

#[test]
fn killing_both_processes_of_an_idle_session_crashes_that_session_alone() {
    let daemon = Daemon::start();
    let (session, other) = (session_with_mark(&daemon), session_with_mark(&daemon));
    let checkpoint = daemon.process_of(&session, Role::Checkpoint);
    let process = daemon.process_of(&session, Role::Session);
    Process::kill(checkpoint);
    Process::kill(process);
    // The session process may have made a new checkpoint meanwhile, which was then promoted.
    wait_for("the session to settle", || match session.submit("mark") {
        answer if answer.status == 201 => Some(()),
        answer if answer.code() == "SESSION_NOT_READY" => Some(()),
        _ => None,
    });
    assert_eq!(other.eval("mark"), "7");
}

#[test]
fn the_death_of_the_zygote_crashes_its_sessions_and_a_new_one_serves_new_sessions() {
    let daemon = Daemon::start();
    let session = session_with_mark(&daemon);
    let running = session.start("while (true);");
    let zygote = daemon.zygote();
    let processes = Process::descendants(zygote);
    Process::kill(zygote);
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "error");
    let record = wait_until_crashed(&session);
    let reason = record["last_error"].as_str().unwrap();
    assert!(reason.contains("worker process"), "{reason}");
    for process in processes {
        wait_until_dead(process.pid);
    }
    assert_eq!(daemon.session().eval("1 + 1"), "2");
    assert_ne!(daemon.zygote(), zygote);
}

#[test]
fn nothing_is_left_of_a_daemon_that_is_killed() {
    let daemon = Daemon::start();
    let session = session_with_mark(&daemon);
    let running = session.start("while (true);");
    let processes = Process::descendants(daemon.pid());
    assert!(processes.len() >= 3, "{processes:?}");
    let home = daemon.kill();
    for process in processes {
        wait_until_dead(process.pid);
    }
    // The client only sees that the connection is closed.
    assert!(running.join().is_err());
    let mut left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    left.retain(|name| !name.starts_with("test.db"));
    assert_eq!(left, ["daemon.log", "worktree"]);
}

#[test]
fn a_statement_without_an_end_ends_with_a_daemon_that_is_killed() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["database"]));
    session.eval("var database = require('database'); database.configure('sqlite3', ':memory:')");
    let running = session.start(
        "database.query('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n')",
    );
    let database = wait_for("the statement to run", || {
        let mut processes = Process::descendants(daemon.pid()).into_iter();
        processes.find(|process| !process.name.starts_with("vms-") && process.state == 'R')
    });
    let _home = daemon.kill();
    wait_until_dead(database.pid);
    assert!(running.join().is_err());
}

#[test]
fn no_zombie_and_no_descriptor_stays_behind() {
    let daemon = Daemon::start();
    let descriptors = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let round = || {
        let session = session_with_mark(&daemon);
        session.run("throw 1");
        session.run("eval('['.repeat(1e5))");
        session.close();
    };
    round();
    let before = descriptors();
    for _ in 0..10 {
        round();
    }
    wait_for("the number of descriptors to be as before", || {
        (descriptors() <= before + 1).then_some(())
    });
    daemon.wait_until_sessions_are_gone();
}

#[test]
fn a_new_session_survives_an_execution_that_is_cancelled_at_once() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.raise_time_limits(&template);
    for _ in 0..20 {
        let session = daemon.session_of(&template);
        cancel_at_once(&daemon, &session);
        assert_eq!(session.eval("1 + 1"), "2");
        session.close();
    }
}

#[test]
fn a_session_that_can_not_be_set_up_leaves_no_process() {
    let daemon = Daemon::start();
    let template = daemon.template();
    // JavaScript does not allow a script to remove it.
    let body = json!({"kind": "global", "name": "undefined", "enabled": false});
    let path = format!("/templates/{template}/capabilities");
    daemon.api.post(&path, &body).expect_status(201);
    for _ in 0..3 {
        daemon.request_session(&template).expect_status(503);
    }
    daemon.wait_until_sessions_are_gone();
}
