//! Queries to a session: completion, inspection, and the check whether code is complete.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Process, Role, Session, wait_for};

/// Sends one of the three queries.
fn query(daemon: &Daemon, session: &Session, question: &str, body: &Value) -> Answer {
    let path = format!("/sessions/{}/{question}", session.id);
    daemon.api.post(&path, body)
}

fn completed(daemon: &Daemon, session: &Session, code: &str) -> Vec<String> {
    let found = query(daemon, session, "complete", &json!({"code": code})).expect_status(200);
    let candidates = found["candidates"].as_array().unwrap().iter();
    let texts = candidates.map(|candidate| candidate["text"].as_str().unwrap().to_owned());
    texts.collect()
}

fn inspected(daemon: &Daemon, session: &Session, expression: &str) -> Value {
    query(
        daemon,
        session,
        "inspect",
        &json!({"expression": expression}),
    )
    .expect_status(200)
}

#[test]
fn a_query_of_a_busy_session_sees_the_state_before_the_execution() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    session.eval("const settings = {alpha: 1, beta: {gamma: 2}}; 1");
    let body = json!({
        "session_id": session.id, "wait_ms": 0, "input": "settings.late = 1; while (true);"
    });
    let running = daemon
        .api
        .post("/executions/repl", &body)
        .expect_status(202);
    let found = completed(&daemon, &session, "settings.");
    assert_eq!(found[..2], ["alpha", "beta"]);
    assert!(!found.contains(&"late".to_owned()));
    assert_eq!(completed(&daemon, &session, "settings.beta.g"), ["gamma"]);
    let seen = inspected(&daemon, &session, "settings");
    assert_eq!(seen["text"], "{ alpha: 1, beta: { gamma: 2 } }");
    assert_eq!(seen["value"]["properties"][0]["value"]["preview"], "1");
    let id = running["id"].as_str().unwrap();
    assert_eq!(
        daemon
            .api
            .get(&format!("/executions/{id}"))
            .expect_status(200)["status"],
        "running"
    );
    daemon
        .api
        .post(&format!("/executions/{id}/cancel"), &json!({}))
        .expect_status(200);
    assert_eq!(session.eval("settings.alpha"), "1");
}

#[test]
fn a_query_of_a_session_that_has_run_nothing_sees_its_initial_state() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(
        inspected(&daemon, &session, "typeof late")["text"],
        "'undefined'"
    );
    assert_eq!(inspected(&daemon, &session, "1 + 1")["text"], "2");
    // Each query has a process of its own, which ends with the answer.
    assert_eq!(daemon.find_process(&session, Role::Checkpoint), None);
    wait_for("nothing to be left of the queries", || {
        (query_processes(&daemon) == 0).then_some(())
    });
    let running =
        session.start("var late = 1; await new Promise(done => setTimeout(done, 2000)); late");
    assert_eq!(
        inspected(&daemon, &session, "typeof late")["text"],
        "'undefined'"
    );
    assert_eq!(running.join().unwrap().expect_status(201)["status"], "ok");
    assert_eq!(inspected(&daemon, &session, "late")["text"], "1");
    daemon.process_of(&session, Role::Checkpoint);
}

#[test]
fn a_query_whose_process_is_killed_harms_nothing_without_a_checkpoint_either() {
    let daemon = Daemon::start();
    let session = daemon.session();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| inspected(&daemon, &session, "while (true);"));
        let process = wait_for("the query's process", || {
            let mut processes = Process::descendants(daemon.pid()).into_iter();
            processes.find(|process| process.name.starts_with("vms-l-") && process.state == 'R')
        });
        Process::kill(process.pid);
        let seen = asked.join().unwrap();
        assert!(seen["error"]["message"].is_string(), "{seen}");
    });
    assert_eq!(session.record()["status"], "ready");
    assert_eq!(inspected(&daemon, &session, "1 + 1")["text"], "2");
    assert_eq!(daemon.find_process(&session, Role::Checkpoint), None);
}

#[test]
fn queries_see_each_commit_also_while_the_first_checkpoint_is_made() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var count = 0");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut before = 0;
            while before < 20 {
                let text = inspected(&daemon, &session, "count")["text"].clone();
                let seen: u64 = text.as_str().unwrap().parse().unwrap();
                assert!(seen >= before, "{seen} after {before}");
                before = seen;
            }
        });
        for number in 1..=20 {
            session.eval("++count");
            let seen = inspected(&daemon, &session, "count")["text"].clone();
            assert_eq!(seen, number.to_string());
            if number == 10 {
                session.checkpoint();
            }
        }
        asking.join().unwrap();
    });
}

#[test]
fn a_query_after_the_first_execution_never_sees_the_state_before_it() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for _ in 0..20 {
        let session = daemon.session_of(&template);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| inspected(&daemon, &session, "typeof mark"));
            session.eval("var mark = 1");
            assert_eq!(inspected(&daemon, &session, "mark")["text"], "1");
            asked.join().unwrap();
        });
        session.close();
    }
    daemon.wait_until_sessions_are_gone();
}

#[test]
fn the_range_that_a_completion_replaces_counts_utf_16_units() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("const letters = 'abc'");
    let query = |body: Value| query(&daemon, &session, "complete", &body);
    let found = query(json!({"code": "'😀' + lett + 1", "cursor": 11})).expect_status(200);
    assert_eq!(
        found["candidates"],
        json!([{"text": "letters", "kind": "variable"}])
    );
    assert_eq!((&found["start"], &found["end"]), (&json!(7), &json!(11)));
    let refused = query(json!({"code": "a", "cursor": 2})).expect_error(400, "VALIDATION_ERROR");
    assert!(refused.message().contains("cursor"));
    query(json!({"cursor": 2})).expect_error(400, "VALIDATION_ERROR");
    query(json!({"code": "a", "line": 2})).expect_error(400, "INVALID_REQUEST");
}

#[test]
fn side_effects_of_a_query_are_discarded() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    let session = daemon.session_of(&template);
    session.eval("var x = 1, fs = require('fs')");
    assert_eq!(
        inspected(&daemon, &session, "x = 2")["value"]["preview"],
        "2"
    );
    let events = session.executions().len();
    let seen = inspected(
        &daemon,
        &session,
        "console.log('hidden'), fs.writeFileSync('a', 'b')",
    );
    let message = seen["error"]["message"].as_str().unwrap();
    assert!(message.contains("no host"), "{seen}");
    assert!(!daemon.worktree().join("a").exists());
    assert_eq!(session.executions().len(), events, "it is no execution");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn an_endless_query_is_given_up_and_harms_nothing() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var x = 1");
    for expression in [
        "while (true);",
        "const all = []; while (true) all.push(new ArrayBuffer(1e6))",
        "(function f() { return [1].map(f) })()",
    ] {
        let seen = inspected(&daemon, &session, expression);
        assert!(seen["error"]["message"].is_string(), "{expression}: {seen}");
        assert!(seen.get("value").is_none());
    }
    assert_eq!(
        completed(&daemon, &session, "(() => { while (true); })()."),
        [""; 0]
    );
    assert_eq!(session.eval("x"), "1");
    assert_eq!(inspected(&daemon, &session, "x")["text"], "1");
    wait_for("nothing to be left of the questions", || {
        (query_processes(&daemon) == 0).then_some(())
    });
}

#[test]
fn many_concurrent_queries_are_answered_while_checkpoints_are_replaced() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var count = 0");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let seen = inspected(&daemon, &session, "typeof count");
                    assert_eq!(seen["text"], "'number'", "{seen}");
                }
            });
        }
        for number in 1..=50 {
            assert_eq!(session.eval("++count"), number.to_string());
        }
    });
}

#[test]
fn code_is_complete_incomplete_or_invalid() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, status) in [
        ("1 + 1", "complete"),
        ("{ a: 1 }", "complete"),
        ("", "complete"),
        ("function f() {", "incomplete"),
        ("`text", "incomplete"),
        ("a b", "invalid"),
    ] {
        let found =
            query(&daemon, &session, "is-complete", &json!({"code": code})).expect_status(200);
        assert_eq!(found["status"], status, "{code}");
        assert_eq!(found["message"].is_string(), status == "invalid");
    }
}

#[test]
fn a_query_of_a_closed_or_unknown_session_is_refused() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.close();
    for (question, body) in [
        ("complete", json!({"code": ""})),
        ("inspect", json!({"expression": "1"})),
        ("is-complete", json!({"code": ""})),
    ] {
        query(&daemon, &session, question, &body).expect_error(409, "SESSION_NOT_READY");
        let path = format!("/sessions/{}/{question}", uuid::Uuid::new_v4());
        daemon
            .api
            .post(&path, &body)
            .expect_error(404, "SESSION_NOT_FOUND");
    }
}

/// The number of query processes.
fn query_processes(daemon: &Daemon) -> usize {
    let processes = Process::descendants(daemon.pid());
    // A process that has answered may still be exiting.
    let is_look = |process: &&Process| process.name.starts_with("vms-l-") && process.state != 'Z';
    processes.iter().filter(is_look).count()
}

#[test]
fn a_query_whose_client_is_gone_is_abandoned() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var x = 1");
    let address = daemon.server().trim_start_matches("http://");
    let body = r#"{"expression": "while (true);"}"#;
    for _ in 0..30 {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /api/v1/sessions/{}/inspect HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            session.id,
            body.len()
        )
        .unwrap();
        wait_for("no more than have a place", || {
            (query_processes(&daemon) <= 4).then_some(())
        });
    }
    wait_for("the abandoned ones to be gone", || {
        (query_processes(&daemon) == 0).then_some(())
    });
    assert_eq!(inspected(&daemon, &session, "x")["text"], "1");
}

#[test]
fn a_checkpoint_that_a_timer_signal_killed_is_replaced() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var x = 1");
    let checkpoint = daemon.checkpoint(&session);
    kill(Pid::from_raw(checkpoint), Signal::SIGALRM).unwrap();
    daemon.wait_for_replacement(checkpoint, &session, Role::Checkpoint);
    assert_eq!(session.run("x = 2; while (true);")["status"], "timeout");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn a_query_reports_that_its_session_was_closed_meanwhile() {
    let daemon = Daemon::start();
    let session = daemon.session();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let body = json!({"expression": "while (true);"});
            query(&daemon, &session, "inspect", &body)
        });
        wait_for("the question to be answered", || {
            (query_processes(&daemon) > 0).then_some(())
        });
        session.close();
        let answer = asked.join().unwrap();
        answer.expect_error(409, "SESSION_NOT_READY");
    });
}

#[test]
fn code_that_no_parser_accepts_is_invalid() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let body = json!({"code": "(".repeat(200_000)});
    let found = query(&daemon, &session, "is-complete", &body).expect_status(200);
    assert_eq!(found["status"], "invalid", "{found}");
    assert_eq!(found["code"], "LOOK_LIMIT", "{found}");
}

#[test]
fn very_long_names_are_cut() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("var it = {['x'.repeat(1e6)]: 1, short: 2}; 1");
    assert_eq!(completed(&daemon, &session, "it.")[0], "short");
    let seen = inspected(&daemon, &session, "it");
    let name = seen["value"]["properties"][0]["name"].as_str().unwrap();
    assert!(name.len() < 300, "{}", name.len());
}
