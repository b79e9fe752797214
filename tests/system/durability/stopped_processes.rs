//! `SIGSTOP` of each kind of process: the daemon still answers every request within ten seconds.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm_system_tests::{Daemon, Process, Role, Session, wait_for};

use crate::durability::stopping::{
    BOUND, database_session, process_named, start_with_short_limit, submit_with_short_limit,
    wait_until_dead, within_bound,
};

/// A session with a committed execution and without a checkpoint.
fn without_checkpoint(daemon: &Daemon) -> Session {
    wait_for("a session without a checkpoint", || {
        let session = daemon.session();
        session.eval("var mark = 7");
        daemon
            .find_process(&session, Role::Checkpoint)
            .is_none()
            .then_some(session)
    })
}

/// A session with a checkpoint whose state is not in the replay log.
fn with_checkpoint(daemon: &Daemon) -> Session {
    let session = daemon.session();
    session.eval("var mark = 7");
    daemon.checkpoint(&session);
    session
}

fn wait_until_crashed(session: &Session) -> String {
    let record = wait_for("the session to be crashed", || {
        let record = session.record();
        (record["status"] == "crashed").then_some(record)
    });
    record["last_error"].as_str().unwrap().to_owned()
}

#[test]
fn a_stopped_zygote_is_replaced_and_sessions_that_can_be_replayed_survive() {
    let daemon = Daemon::start();
    let (kept, lost) = (without_checkpoint(&daemon), with_checkpoint(&daemon));
    let zygote = daemon.zygote();
    Process::stop(zygote);
    // These are more sessions than there are prepared processes.
    let made: Vec<_> = (0..5)
        .map(|_| within_bound("a new session", || daemon.session()))
        .collect();
    wait_until_dead(zygote);
    for session in &made[3..] {
        assert_eq!(within_bound("1 + 1", || session.eval("1 + 1")), "2");
    }
    assert_eq!(within_bound("its state", || kept.eval("mark")), "7");
    let reason = wait_until_crashed(&lost);
    assert!(
        reason.contains("zygote") && reason.contains("did not answer for 3 s"),
        "{reason}"
    );
    let other = daemon.zygote();
    assert_ne!(other, zygote);
    // The replacement is stopped as well.
    Process::stop(other);
    within_bound("a close", || made[4].close());
    wait_until_dead(other);
    assert_eq!(within_bound("its state", || kept.eval("mark")), "7");
}

#[test]
fn a_stopped_zygote_keeps_no_execution_past_its_limit() {
    let daemon = Daemon::start();
    let (kept, lost) = (without_checkpoint(&daemon), with_checkpoint(&daemon));
    let zygote = daemon.zygote();
    let waits = "await new Promise((done) => setTimeout(done, 600000))";
    let busy = start_with_short_limit(&daemon, &kept, "mark = 8; while (true);");
    let waiting = start_with_short_limit(&daemon, &lost, waits);
    for session in [&kept, &lost] {
        wait_for("the execution to run", || {
            (session.executions()[0]["status"] == "running").then_some(())
        });
    }
    Process::stop(zygote);
    for (running, statuses) in [(busy, &["timeout"][..]), (waiting, &["timeout", "error"])] {
        let (answer, took) = running.join().unwrap();
        let execution = answer.expect_status(201);
        let status = execution["status"].as_str().unwrap();
        assert!(statuses.contains(&status), "{execution}");
        assert!(took < BOUND, "{took:?}");
    }
    assert_eq!(within_bound("its state", || kept.eval("mark")), "7");
    for session in [kept, lost] {
        within_bound("a close", || session.close());
    }
}

#[test]
fn a_stopped_session_process_is_replaced() {
    let daemon = Daemon::start();
    for session in [without_checkpoint(&daemon), with_checkpoint(&daemon)] {
        let process = daemon.process_of(&session, Role::Session);
        Process::stop(process);
        // The process is replaced without a request.
        daemon.wait_for_replacement(process, &session, Role::Session);
        assert_eq!(session.eval("mark"), "7");
        // An execution that had not begun runs in the new process.
        Process::stop(daemon.process_of(&session, Role::Session));
        assert_eq!(
            within_bound("an execution", || session.eval("mark + 1")),
            "8"
        );
        Process::stop(daemon.process_of(&session, Role::Session));
        within_bound("a close", || session.close());
    }
}

#[test]
fn an_execution_whose_process_is_stopped_may_go_on_until_its_limit() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    let running = session.start("while (!require('fs').existsSync('go')); 7");
    let process = daemon.process_of(&session, Role::Session);
    let other = without_checkpoint(&daemon);
    let idle = daemon.process_of(&other, Role::Session);
    Process::stop(process);
    Process::stop(idle);
    // This process was stopped after the other one.
    wait_until_dead(idle);
    assert!(Process::is_alive(process));
    daemon.write("go", "");
    Process::resume(process);
    assert_eq!(running.join().unwrap().expect_status(201)["status"], "ok");
}

#[test]
fn a_process_that_resumes_in_time_is_left_alone() {
    let daemon = Daemon::start();
    let session = with_checkpoint(&daemon);
    let (process, checkpoint) = (
        daemon.process_of(&session, Role::Session),
        daemon.process_of(&session, Role::Checkpoint),
    );
    let other = without_checkpoint(&daemon);
    let doomed = daemon.process_of(&other, Role::Session);
    for pid in [process, checkpoint] {
        Process::stop(pid);
        Process::resume(pid);
    }
    Process::stop(doomed);
    // This process was stopped after the others, and is not continued.
    wait_until_dead(doomed);
    assert!(Process::is_alive(process) && Process::is_alive(checkpoint));
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn a_stopped_checkpoint_is_replaced_before_it_is_needed() {
    let daemon = Daemon::start();
    let session = with_checkpoint(&daemon);
    let checkpoint = daemon.process_of(&session, Role::Checkpoint);
    Process::stop(checkpoint);
    wait_until_dead(checkpoint);
    daemon.process_of(&session, Role::Checkpoint);
    Process::kill(daemon.process_of(&session, Role::Session));
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn a_session_that_needs_its_stopped_checkpoint_reports_what_happened() {
    let daemon = Daemon::start();
    let session = with_checkpoint(&daemon);
    Process::stop(daemon.process_of(&session, Role::Checkpoint));
    let answer = submit_with_short_limit(&daemon, &session, "mark = 8; while (true);");
    let execution = answer.expect_status(201);
    assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
    let reason = wait_until_crashed(&session);
    for part in [
        "checkpoint",
        "had been stopped for 3 s",
        "1500 ms (wall_ms)",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    within_bound("a close", || session.close());
}

#[test]
fn queries_are_answered_though_their_process_is_stopped() {
    let daemon = Daemon::start();
    let ask = |session: &Session, expression: &str| {
        let path = format!("/sessions/{}/inspect", session.id);
        let body = json!({"expression": expression});
        let answer = within_bound("a query", || daemon.api.post(&path, &body));
        answer.expect_status(200)
    };
    let session = with_checkpoint(&daemon);
    assert_eq!(ask(&session, "mark")["text"], "7");
    Process::stop(daemon.process_of(&session, Role::Checkpoint));
    assert_eq!(ask(&session, "mark")["text"], "7");
    let session = without_checkpoint(&daemon);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&session, "while (true);"));
        let name = format!("vms-l-{}", &session.id[..8]);
        Process::stop(process_named(&daemon, &name));
        let answer = asked.join().unwrap();
        assert!(answer["error"]["message"].is_string(), "{answer}");
    });
    assert_eq!(ask(&session, "mark")["text"], "7");
}

#[test]
fn a_session_is_made_though_the_prepared_processes_are_stopped() {
    let daemon = Daemon::start();
    daemon.session();
    let zygote = daemon.zygote();
    let waiting = wait_for("processes that wait", || {
        let mut all = Process::descendants(zygote);
        all.retain(|process| process.name == "vms-waiting");
        (all.len() == 3).then_some(all)
    });
    for process in &waiting {
        Process::stop(process.pid);
    }
    let session = within_bound("a new session", || daemon.session());
    assert_eq!(session.eval("1 + 1"), "2");
    for process in &waiting {
        wait_until_dead(process.pid);
    }
}

#[test]
fn everything_is_answered_when_every_process_of_the_daemon_is_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["database", "exec"]);
    let sessions: Vec<_> = (0..4).map(|_| daemon.session_of(&template)).collect();
    daemon.checkpoint(&sessions[0]);
    sessions[1].eval("require('database').configure('sqlite3', ':memory:'); 1");
    let command = start_with_short_limit(
        &daemon,
        &sessions[2],
        "require('exec').run('sleep', ['600'])",
    );
    process_named(&daemon, "sleep");
    for process in Process::descendants(daemon.pid()) {
        // The process may have ended.
        Process::try_stop(process.pid);
    }
    let running: Vec<_> = [&sessions[0], &sessions[1], &sessions[3]]
        .map(|session| start_with_short_limit(&daemon, session, "1 + 1"))
        .into();
    for running in running.into_iter().chain([command]) {
        let (answer, took) = running.join().unwrap();
        assert!([201, 409].contains(&answer.status), "{}", answer.status);
        assert!(took < BOUND, "{took:?}");
    }
    let status = |path: &str| within_bound(path, || daemon.api.get(path)).status;
    for path in [
        "/health",
        "/runtime/summary",
        "/runtime/sandbox",
        "/sessions",
    ] {
        assert_eq!(status(path), 200, "{path}");
    }
    let closed: Vec<Value> = sessions
        .iter()
        .map(|session| within_bound("a close", || session.close()))
        .collect();
    assert!(closed.iter().all(|session| session["status"] == "closed"));
    assert_eq!(
        within_bound("a session", || daemon.session().eval("2")),
        "2"
    );
}

#[test]
fn a_request_for_a_session_is_answered_though_a_zygote_is_stopped_while_it_starts() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let (api, worktree) = (daemon.api.clone(), daemon.worktree());
    let asking = std::thread::spawn(move || {
        let body = json!({
            "template_id": template, "workspace_id": "w", "base_commit_oid": "c",
            "worktree_path": worktree,
        });
        within_bound("a session", || api.post("/sessions", &body)).status
    });
    let starting = wait_for("a zygote", || {
        Process::descendants(daemon.pid()).into_iter().next()
    });
    Process::stop(starting.pid);
    assert!([201, 503].contains(&asking.join().unwrap()));
    assert_eq!(
        within_bound("a session", || daemon.session().eval("2")),
        "2"
    );
    wait_until_dead(starting.pid);
}

#[test]
fn a_daemon_ends_in_order_though_its_processes_are_stopped() {
    let daemon = Daemon::start();
    let (session, process) = database_session(&daemon);
    daemon.checkpoint(&session);
    let all = Process::descendants(daemon.pid());
    assert!(all.iter().any(|one| one.pid == process));
    for process in &all {
        Process::try_stop(process.pid);
    }
    let _home = within_bound("the end", || daemon.stop());
    for process in all {
        wait_until_dead(process.pid);
    }
}

#[test]
fn nothing_is_left_of_a_daemon_that_is_killed_while_its_processes_are_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["exec"]);
    daemon.raise_time_limits(&template);
    let (session, _) = database_session(&daemon);
    daemon.checkpoint(&session);
    let busy = daemon.session_of(&template);
    let running = busy.start("require('exec').run('sleep', ['600'])");
    process_named(&daemon, "sleep");
    let all = Process::descendants(daemon.pid());
    for process in &all {
        Process::try_stop(process.pid);
    }
    let _home = daemon.kill();
    for process in all {
        wait_until_dead(process.pid);
    }
    assert!(running.join().is_err());
}

#[test]
fn a_stopped_session_process_is_ended_at_the_wall_limit() {
    let daemon = Daemon::start();
    let limits = json!({"cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    session.eval("globalThis.mark = 7");
    let running = session.start("mark = 8; while (true);");
    let pid = daemon.process_of(&session, Role::Session);
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "timeout", "{execution}");
    assert_eq!(session.eval("mark"), "7");
}

#[test]
fn a_session_is_closed_though_its_process_is_stopped() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let pid = daemon.process_of(&session, Role::Session);
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let (other, code) = (session.clone(), format!("/*{}*/", "x".repeat(3_000_000)));
    let running = std::thread::spawn(move || other.submit(&code));
    wait_for("the execution to run", || {
        (!session.executions().is_empty()).then_some(())
    });
    assert_eq!(session.close()["status"], "closed");
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "cancelled", "{}", execution["status"]);
}
