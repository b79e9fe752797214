//! `SIGSTOP` of each kind of process: whatever is asked of the daemon is answered within ten seconds all the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Process, Role, Session, wait_for};

/// How long any answer may take: it is what is promised, and no measure of speed.
const BOUND: Duration = Duration::from_secs(10);

/// Does something that has to end in time.
#[track_caller]
fn in_time<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = act();
    let took = begun.elapsed();
    assert!(took < BOUND, "{what} took {took:?}");
    done
}

/// Asks to run a snippet that has to have ended after a second and a half.
fn try_shortly(daemon: &Daemon, session: &Session, code: &str) -> Answer {
    let limits = json!({"wall_ms": 1500});
    let body = json!({"session_id": session.id, "input": code, "limits": limits});
    in_time(code, || daemon.api.post("/executions/repl", &body))
}

/// The same on a thread of its own.
fn start_shortly(
    daemon: &Daemon,
    session: &Session,
    code: &str,
) -> std::thread::JoinHandle<(Answer, Duration)> {
    let limits = json!({"wall_ms": 1500});
    let body = json!({"session_id": session.id, "input": code, "limits": limits});
    let api = daemon.api.clone();
    std::thread::spawn(move || {
        let begun = Instant::now();
        (api.post("/executions/repl", &body), begun.elapsed())
    })
}

/// A session that has committed something and has no checkpoint.
fn without_checkpoint(daemon: &Daemon) -> Session {
    wait_for("a session without a checkpoint", || {
        let session = daemon.session();
        session.eval("var mark = 7");
        daemon
            .find(&session, Role::Checkpoint)
            .is_none()
            .then_some(session)
    })
}

/// A session with a checkpoint, which holds what its redo log does not.
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

fn wait_until_dead(pid: i32) {
    wait_for("the death of a process", || {
        (!Process::is_alive(pid)).then_some(())
    });
}

/// A process below the daemon with that name.
fn named(daemon: &Daemon, name: &str) -> i32 {
    wait_for("a process of that name", || {
        let mut below = Process::below(daemon.pid()).into_iter();
        below.find(|process| process.name == name && process.state != 'Z')
    })
    .pid
}

#[test]
fn a_stopped_zygote_is_replaced_and_what_can_be_made_once_more_lives_on() {
    let daemon = Daemon::start();
    let (kept, lost) = (without_checkpoint(&daemon), with_checkpoint(&daemon));
    let zygote = daemon.zygote();
    Process::stop(zygote);
    // More than there are processes that wait.
    let made: Vec<_> = (0..5)
        .map(|_| in_time("a new session", || daemon.session()))
        .collect();
    wait_until_dead(zygote);
    for session in &made[3..] {
        assert_eq!(in_time("1 + 1", || session.eval("1 + 1")), "2");
    }
    assert_eq!(in_time("its state", || kept.eval("mark")), "7");
    let reason = wait_until_crashed(&lost);
    assert!(
        reason.contains("zygote") && reason.contains("did not answer for 3 s"),
        "{reason}"
    );
    let other = daemon.zygote();
    assert_ne!(other, zygote);
    // And once more.
    Process::stop(other);
    in_time("a close", || made[4].close());
    wait_until_dead(other);
    assert_eq!(in_time("its state", || kept.eval("mark")), "7");
}

#[test]
fn a_stopped_zygote_keeps_no_execution_past_its_limit() {
    let daemon = Daemon::start();
    let (kept, lost) = (without_checkpoint(&daemon), with_checkpoint(&daemon));
    let zygote = daemon.zygote();
    let waits = "await new Promise((done) => setTimeout(done, 600000))";
    let busy = start_shortly(&daemon, &kept, "mark = 8; while (true);");
    let waiting = start_shortly(&daemon, &lost, waits);
    for session in [&kept, &lost] {
        wait_for("the execution to run", || {
            (session.executions()[0]["status"] == "running").then_some(())
        });
    }
    Process::stop(zygote);
    for (running, statuses) in [(busy, &["timeout"][..]), (waiting, &["timeout", "error"])] {
        let (answer, took) = running.join().unwrap();
        let execution = answer.expect(201);
        let status = execution["status"].as_str().unwrap();
        assert!(statuses.contains(&status), "{execution}");
        assert!(took < BOUND, "{took:?}");
    }
    assert_eq!(in_time("its state", || kept.eval("mark")), "7");
    for session in [kept, lost] {
        in_time("a close", || session.close());
    }
}

#[test]
fn a_stopped_session_process_is_replaced() {
    let daemon = Daemon::start();
    for session in [without_checkpoint(&daemon), with_checkpoint(&daemon)] {
        let process = daemon.process_of(&session, Role::Session);
        Process::stop(process);
        // Without anybody's asking for it.
        daemon.process_after(process, &session, Role::Session);
        assert_eq!(session.eval("mark"), "7");
        // One that was given something to do and had not begun does it afterwards.
        Process::stop(daemon.process_of(&session, Role::Session));
        assert_eq!(in_time("an execution", || session.eval("mark + 1")), "8");
        Process::stop(daemon.process_of(&session, Role::Session));
        in_time("a close", || session.close());
    }
}

#[test]
fn an_execution_whose_process_is_stopped_may_go_on_until_its_limit() {
    let daemon = Daemon::start();
    let template = daemon.template_with(&["fs"]);
    daemon.give_time(&template);
    let session = daemon.session_of(&template);
    let running = session.start("while (!require('fs').existsSync('go')); 7");
    let process = daemon.process_of(&session, Role::Session);
    let other = without_checkpoint(&daemon);
    let idle = daemon.process_of(&other, Role::Session);
    Process::stop(process);
    Process::stop(idle);
    // It was stopped after the other one.
    wait_until_dead(idle);
    assert!(Process::is_alive(process));
    daemon.write("go", "");
    Process::resume(process);
    assert_eq!(running.join().unwrap().expect(201)["status"], "ok");
}

#[test]
fn a_process_that_goes_on_in_time_is_left_alone() {
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
    // Stopped after the others, and not continued.
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
fn a_session_that_needs_its_stopped_checkpoint_says_what_happened() {
    let daemon = Daemon::start();
    let session = with_checkpoint(&daemon);
    Process::stop(daemon.process_of(&session, Role::Checkpoint));
    let answer = try_shortly(&daemon, &session, "mark = 8; while (true);");
    let execution = answer.expect(201);
    assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
    let reason = wait_until_crashed(&session);
    for part in [
        "checkpoint",
        "had been stopped for 3 s",
        "1500 ms (wall_ms)",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    in_time("a close", || session.close());
}

#[test]
fn questions_are_answered_though_what_answers_them_is_stopped() {
    let daemon = Daemon::start();
    let ask = |session: &Session, expression: &str| {
        let path = format!("/sessions/{}/inspect", session.id);
        let body = json!({"expression": expression});
        let answer = in_time("a query", || daemon.api.post(&path, &body));
        answer.expect(200)
    };
    let session = with_checkpoint(&daemon);
    assert_eq!(ask(&session, "mark")["text"], "7");
    Process::stop(daemon.process_of(&session, Role::Checkpoint));
    assert_eq!(ask(&session, "mark")["text"], "7");
    let session = without_checkpoint(&daemon);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&session, "while (true);"));
        let name = format!("vms-l-{}", &session.id[..8]);
        Process::stop(named(&daemon, &name));
        let answer = asked.join().unwrap();
        assert!(answer["error"]["message"].is_string(), "{answer}");
    });
    assert_eq!(ask(&session, "mark")["text"], "7");
}

#[test]
fn a_session_is_made_though_the_processes_are_stopped_that_wait_for_it() {
    let daemon = Daemon::start();
    daemon.session();
    let zygote = daemon.zygote();
    let waiting = wait_for("processes that wait", || {
        let mut all = Process::below(zygote);
        all.retain(|process| process.name == "vms-waiting");
        (all.len() == 3).then_some(all)
    });
    for process in &waiting {
        Process::stop(process.pid);
    }
    let session = in_time("a new session", || daemon.session());
    assert_eq!(session.eval("1 + 1"), "2");
    for process in &waiting {
        wait_until_dead(process.pid);
    }
}

/// A session that has opened a database, and the process of that.
fn database_session(daemon: &Daemon) -> (Session, i32) {
    let session = daemon.session_of(&daemon.template_with(&["database"]));
    let before: Vec<_> = Process::below(daemon.pid());
    session.eval("var db = require('database'); db.configure('sqlite3', ':memory:'); 1");
    let process = wait_for("the database process", || {
        let mut all = Process::below(daemon.pid()).into_iter();
        all.find(|process| {
            process.parent == daemon.pid()
                && process.name != "vms-zygote"
                && before.iter().all(|known| known.pid != process.pid)
        })
    });
    (session, process.pid)
}

#[test]
fn a_query_on_a_stopped_database_process_ends_with_its_execution() {
    let daemon = Daemon::start();
    let (session, process) = database_session(&daemon);
    session.eval("db.exec('CREATE TABLE t (x)'); 1");
    Process::stop(process);
    let answer = try_shortly(&daemon, &session, "db.query('SELECT 1 AS one')");
    assert_eq!(answer.expect(201)["status"], "timeout");
    wait_until_dead(process);
    // The next one hears why its connection is gone, and can have another one.
    let said = session.run("db.query('SELECT 1 AS one')");
    let message = said["error"]["message"].as_str().unwrap();
    // It was seen to be stopped, or waited for in vain.
    let is_told = message.contains("the database process") && message.contains("connection ended");
    assert!(is_told, "{message}");
    let one = "db.configure('sqlite3', ':memory:'); db.query('SELECT 1 AS one')[0].one";
    assert_eq!(session.eval(one), "1");
}

#[test]
fn a_script_hears_that_its_database_process_stands_still() {
    let daemon = Daemon::start();
    let template = daemon.template_with(&["database"]);
    daemon.give_time(&template);
    let (session, process) = database_session(&daemon);
    Process::stop(process);
    let tried = "try { db.query('SELECT 1') } catch (error) { error.message }";
    let message = in_time("a query", || session.eval(tried));
    assert!(
        message.contains("database process did not answer for 3 s"),
        "{message}"
    );
    wait_until_dead(process);
    assert_eq!(session.record()["status"], "ready");
    // Nor does one that is idle keep anybody waiting.
    let (session, process) = database_session(&daemon);
    Process::stop(process);
    in_time("a close", || session.close());
    wait_until_dead(process);
}

#[test]
fn a_stopped_command_ends_with_its_execution_and_so_does_its_supervisor() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with(&["exec"]));
    session.eval("var exec = require('exec'); 1");
    for name in ["sleep", "vms-exec"] {
        let running = start_shortly(&daemon, &session, "exec.run('sleep', ['600'])");
        let command = named(&daemon, "sleep");
        let supervisor = named(&daemon, "vms-exec");
        Process::stop(named(&daemon, name));
        let (answer, took) = running.join().unwrap();
        assert_eq!(answer.expect(201)["status"], "timeout");
        assert!(took < BOUND, "{took:?}");
        wait_until_dead(command);
        wait_until_dead(supervisor);
    }
}

#[test]
fn a_script_hears_that_the_supervisor_of_its_command_stands_still() {
    let daemon = Daemon::start();
    let template = daemon.template_with(&["exec"]);
    daemon.give_time(&template);
    let session = daemon.session_of(&template);
    let way = "(setsid sleep 600 &); setsid sh -c \"sleep 600 & sleep 600\" & sleep 600";
    let running = session.start(&format!("require('exec').run('sh', ['-c', '{way}'])"));
    let supervisor = named(&daemon, "vms-exec");
    let all = wait_for("its commands", || {
        let all = Process::below(supervisor);
        let sleeping = all.iter().filter(|process| process.name == "sleep");
        (sleeping.count() == 4).then_some(all)
    });
    Process::stop(supervisor);
    let execution = in_time("a command", || running.join().unwrap()).expect(201);
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("supervisor did not answer for 3 s"),
        "{message}"
    );
    for process in all {
        wait_until_dead(process.pid);
    }
}

#[test]
fn everything_is_answered_when_every_process_of_the_daemon_is_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with(&["database", "exec"]);
    let sessions: Vec<_> = (0..4).map(|_| daemon.session_of(&template)).collect();
    daemon.checkpoint(&sessions[0]);
    sessions[1].eval("require('database').configure('sqlite3', ':memory:'); 1");
    let command = start_shortly(
        &daemon,
        &sessions[2],
        "require('exec').run('sleep', ['600'])",
    );
    named(&daemon, "sleep");
    for process in Process::below(daemon.pid()) {
        // It may just end.
        Process::try_stop(process.pid);
    }
    let running: Vec<_> = [&sessions[0], &sessions[1], &sessions[3]]
        .map(|session| start_shortly(&daemon, session, "1 + 1"))
        .into();
    for running in running.into_iter().chain([command]) {
        let (answer, took) = running.join().unwrap();
        assert!([201, 409].contains(&answer.status), "{}", answer.status);
        assert!(took < BOUND, "{took:?}");
    }
    let status = |path: &str| in_time(path, || daemon.api.get(path)).status;
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
        .map(|session| in_time("a close", || session.close()))
        .collect();
    assert!(closed.iter().all(|session| session["status"] == "closed"));
    assert_eq!(in_time("a session", || daemon.session().eval("2")), "2");
}

#[test]
fn a_session_is_asked_for_in_vain_no_longer_if_a_zygote_is_stopped_while_it_starts() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let (api, worktree) = (daemon.api.clone(), daemon.worktree());
    let asking = std::thread::spawn(move || {
        let body = json!({
            "template_id": template, "workspace_id": "w", "base_commit_oid": "c",
            "worktree_path": worktree,
        });
        in_time("a session", || api.post("/sessions", &body)).status
    });
    let starting = wait_for("a zygote", || {
        Process::below(daemon.pid()).into_iter().next()
    });
    Process::stop(starting.pid);
    assert!([201, 503].contains(&asking.join().unwrap()));
    assert_eq!(in_time("a session", || daemon.session().eval("2")), "2");
    wait_until_dead(starting.pid);
}

#[test]
fn a_daemon_ends_in_order_though_its_processes_are_stopped() {
    let daemon = Daemon::start();
    let (session, process) = database_session(&daemon);
    daemon.checkpoint(&session);
    let all = Process::below(daemon.pid());
    assert!(all.iter().any(|one| one.pid == process));
    for process in &all {
        Process::try_stop(process.pid);
    }
    let _home = in_time("the end", || daemon.stop());
    for process in all {
        wait_until_dead(process.pid);
    }
}

#[test]
fn nothing_is_left_of_a_daemon_that_is_killed_while_its_processes_are_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with(&["exec"]);
    daemon.give_time(&template);
    let (session, _) = database_session(&daemon);
    daemon.checkpoint(&session);
    let busy = daemon.session_of(&template);
    let running = busy.start("require('exec').run('sleep', ['600'])");
    named(&daemon, "sleep");
    let all = Process::below(daemon.pid());
    for process in &all {
        Process::try_stop(process.pid);
    }
    let _home = daemon.kill();
    for process in all {
        wait_until_dead(process.pid);
    }
    assert!(running.join().is_err());
}
