//! Limits of one execution, and the records of executions that exceeded one.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use vm_system_tests::{Answer, Daemon, Process, Role, Session, wait_for};

use crate::support::assertions::{assert_lacks, numbered_events, text, types};

/// Checks the error of an execution that was rolled back.
#[track_caller]
fn assert_rolled_back(execution: &Value, status: &str, code: &str) {
    assert_eq!(execution["status"], status, "{execution}");
    assert_eq!(execution["error"]["code"], code, "{execution}");
    assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
    assert!(!text(&execution["error"], "message").is_empty());
    assert_lacks(execution, &["result"]);
}

/// Checks the record of an execution that was refused for its output, and returns its events.
#[track_caller]
fn assert_output_refused(session: &Session, answer: Answer, named: &str) -> Vec<Value> {
    let answer = answer.expect_error(422, "OUTPUT_LIMIT_EXCEEDED");
    assert!(answer.message().contains(named), "{}", answer.text);
    let details = &answer.json["error"]["details"];
    assert_eq!(details["session_id"], *session.id);
    let execution = session
        .executions()
        .into_iter()
        .find(|execution| execution["id"] == details["execution_id"])
        .expect("the execution is recorded");
    assert_eq!(execution["status"], "error");
    let events = numbered_events(session, &execution);
    let system = events.iter().find(|event| event["type"] == "system");
    let payload = &system.expect("a system event")["payload"];
    assert!(
        payload["message"].is_string() && payload["level"].is_string(),
        "{payload}"
    );
    assert_eq!(events.last().unwrap()["type"], "exception");
    events
}

/// A daemon with a template that has these limits.
fn daemon_with_limits(limits: &[(&str, u64)]) -> (Daemon, String) {
    let daemon = Daemon::start();
    let limits: Map<String, Value> = limits
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let template = daemon.template_with_limits(&limits.into());
    (daemon, template)
}

/// Runs a snippet with limits of its own.
fn run_within(daemon: &Daemon, session: &Session, code: &str, limits: &Value) -> Answer {
    let body = json!({"session_id": session.id, "input": code, "limits": limits});
    daemon.api.post("/executions/repl", &body)
}

#[test]
fn an_execution_may_lower_its_limits() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("x = 1");
    let endless = "x = 2; while (true);";
    let greedy = "x = 2; const all = []; while (true) all.push(new ArrayBuffer(1e6))";
    for (code, limits, status, expected) in [
        (
            endless,
            json!({"wall_ms": 100}),
            "timeout",
            "WALL_TIME_LIMIT",
        ),
        (endless, json!({"cpu_ms": 100}), "timeout", "CPU_TIME_LIMIT"),
        (greedy, json!({"mem_mb": 16}), "error", "MEMORY_LIMIT"),
    ] {
        let execution = run_within(&daemon, &session, code, &limits).expect_status(201);
        assert_rolled_back(&execution, status, expected);
        let value = limits.as_object().unwrap().values().next().unwrap();
        let message = text(&execution["error"], "message").to_owned();
        assert!(message.contains(&value.to_string()), "{message}");
    }
    let loud = "for (let i = 0; i < 20; i++) console.log(i)";
    let answer = run_within(&daemon, &session, loud, &json!({"max_events": 10}));
    assert_output_refused(&session, answer, "max_events");
    assert_eq!(session.eval("x"), "1");
    assert_eq!(session.run(loud)["status"], "ok");
    daemon.write("greedy.js", greedy);
    let body = json!({"session_id": session.id, "path": "greedy.js", "limits": {"mem_mb": 16}});
    let execution = daemon
        .api
        .post("/executions/run-file", &body)
        .expect_status(201);
    assert_rolled_back(&execution, "error", "MEMORY_LIMIT");
    // A lowered limit, which also bounds the text of the code, does not apply to the next
    // execution.
    run_within(&daemon, &session, "1", &json!({"mem_mb": 8})).expect_status(201);
    session.eval(&format!("'{}'.length", "x".repeat(2_000_000)));
    session.eval("kept = new Uint8Array(30e6); kept.length");
}

#[test]
fn an_execution_can_not_raise_its_limits() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (limits, named) in [
        (
            json!({"wall_ms": 5001}),
            "limits.wall_ms may be at most 5000",
        ),
        (json!({"mem_mb": 129}), "limits.mem_mb may be at most 128"),
        (json!({"cpu_ms": 0}), "limits.cpu_ms must be from 1"),
    ] {
        let answer = run_within(&daemon, &session, "x = 1", &limits);
        let answer = answer.expect_error(400, "VALIDATION_ERROR");
        assert!(answer.message().contains(named), "{}", answer.text);
    }
    for (limits, named) in [
        (json!({"max_events": "many"}), "limits.max_events"),
        (json!({"speed": 1}), "limits.speed"),
    ] {
        let answer = run_within(&daemon, &session, "x = 1", &limits);
        let answer = answer.expect_error(400, "INVALID_REQUEST");
        assert!(answer.message().contains(named), "{}", answer.text);
    }
    assert_eq!(session.executions().len(), 0);
    let same = json!({"wall_ms": 5000, "cpu_ms": 2000});
    run_within(&daemon, &session, "1", &same).expect_status(201);
}

#[test]
fn the_metrics_of_an_execution_that_was_rolled_back_are_known() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["fs"]));
    let prelude = "require('fs').existsSync('a'); require('fs').existsSync('b'); \
         const big = new ArrayBuffer(20e6); console.log('x');";
    for (end, status) in [
        ("", "ok"),
        ("throw 1", "error"),
        ("while (true);", "timeout"),
        ("for (let a = [];;) a.push(new ArrayBuffer(1e7))", "error"),
    ] {
        let execution = session.run(&format!("{{ {prelude} {end} }}"));
        assert_eq!(execution["status"], status, "{execution}");
        let metrics = &execution["metrics"];
        assert!(metrics["wall_ms"].as_f64().unwrap() > 0.0, "{metrics}");
        assert!(metrics["cpu_ms"].as_f64().unwrap() > 0.0, "{metrics}");
        assert!(
            metrics["peak_mem_bytes"].as_u64().unwrap() > 20_000_000,
            "{metrics}"
        );
        assert!(
            metrics["peak_mem_bytes"].as_u64().unwrap() < 140_000_000,
            "{metrics}"
        );
        assert_eq!(metrics["host_calls"], 2, "{metrics}");
        assert!(metrics["events"].as_u64().unwrap() >= 3, "{metrics}");
        assert!(metrics["output_bytes"].as_u64().unwrap() > 0, "{metrics}");
        if status == "timeout" {
            assert!(metrics["cpu_ms"].as_f64().unwrap() >= 100.0, "{metrics}");
        }
    }
}

#[test]
fn each_session_has_the_limits_of_its_template() {
    let endless = "x = 2; while (true);";
    let greedy = "x = 2; const all = []; while (true) all.push(new ArrayBuffer(1e6))";
    for (limits, code, status, expected) in [
        (
            vec![("wall_ms", 1000)],
            endless,
            "timeout",
            "WALL_TIME_LIMIT",
        ),
        (
            vec![("cpu_ms", 500), ("wall_ms", 60_000)],
            endless,
            "timeout",
            "CPU_TIME_LIMIT",
        ),
        (vec![("mem_mb", 32)], greedy, "error", "MEMORY_LIMIT"),
    ] {
        let (daemon, template) = daemon_with_limits(&limits);
        let session = daemon.session_of(&template);
        session.eval("globalThis.x = 1");
        let execution = session.run(code);
        assert_rolled_back(&execution, status, expected);
        let message = text(&execution["error"], "message");
        assert!(message.contains(limits[0].0), "{message}");
        assert_eq!(session.eval("x"), "1");
    }
}

#[test]
fn an_execution_that_takes_too_long_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let execution = session.run("console.log('before'); x = 2; while (true);");
    assert_eq!(execution["status"], "timeout", "{execution}");
    assert_eq!(execution["error"]["rolled_back"], true, "{execution}");
    let events = numbered_events(&session, &execution);
    assert_eq!(types(&events)[..2], ["input_echo", "console"]);
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn an_endless_chain_of_promise_jobs_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let execution = session.run("x = 2; (function f() { Promise.resolve().then(f) })()");
    assert_eq!(execution["status"], "timeout", "{execution}");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn an_execution_with_too_many_events_is_refused_and_rolled_back() {
    let (daemon, template) = daemon_with_limits(&[("max_events", 100)]);
    let session = daemon.session_of(&template);
    session.eval("globalThis.x = 1");
    let answer = session.submit("x = 2; while (true) console.log('')");
    let events = assert_output_refused(&session, answer, "max_events");
    assert!((100..=103).contains(&events.len()), "{}", events.len());
    let below = session.run("for (let i = 0; i < 90; ++i) console.log('')");
    assert_eq!(below["status"], "ok", "{below}");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn all_that_a_first_execution_printed_is_recorded_when_it_is_rolled_back() {
    let (daemon, template) = daemon_with_limits(&[("max_events", 100), ("wall_ms", 60_000)]);
    let session = daemon.session_of(&template);
    let running = session.start(
        "globalThis.x = 2; await new Promise(done => setTimeout(done, 3000));
         while (true) console.log('')",
    );
    let process = daemon.process_of(&session, Role::Session);
    // The daemon then notices the death of the process before it has read all its output.
    daemon.signal(Signal::SIGSTOP);
    wait_for("the process to pass the limit", || {
        (!Process::is_alive(process)).then_some(())
    });
    daemon.signal(Signal::SIGCONT);
    let events = assert_output_refused(&session, running.join().unwrap(), "max_events");
    assert!((100..=103).contains(&events.len()), "{}", events.len());
    assert_eq!(session.eval("typeof x"), "undefined");
}

#[test]
fn an_execution_with_too_much_output_is_refused_and_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let answer = session.submit("x = 2; while (true) console.log('y'.repeat(10000))");
    let events = assert_output_refused(&session, answer, "max_output_kb");
    let console = types(&events)
        .iter()
        .filter(|kind| **kind == "console")
        .count();
    assert!((20..=27).contains(&console), "{console}");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn an_event_that_is_larger_than_any_may_be_is_refused_and_rolled_back() {
    let (daemon, template) = daemon_with_limits(&[
        ("max_output_kb", 1_048_576),
        ("mem_mb", 1024),
        ("cpu_ms", 60_000),
        ("wall_ms", 60_000),
    ]);
    let session = daemon.session_of(&template);
    session.eval("globalThis.x = 1");
    // Each of these characters takes six bytes of JSON.
    let answer = session.submit("x = 2; console.log('\\u0001'.repeat(1e4).repeat(1200))");
    let events = assert_output_refused(&session, answer, "an event of 72");
    assert!(!types(&events).contains(&"console"));
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn the_name_of_a_class_counts_towards_the_limit_of_output() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("class A { static name = 'x'.repeat(1e4).repeat(1e3) }; new A()");
    assert_eq!(execution["status"], "ok", "{}", execution["error"]);
    let named = text(&execution["result"], "type");
    assert!(named.len() < 300, "{} bytes", named.len());
}

#[test]
fn output_below_the_limits_is_all_recorded() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("for (let i = 0; i < 5000; ++i) console.log(i % 10)");
    assert_eq!(execution["status"], "ok", "{execution}");
    assert_eq!(numbered_events(&session, &execution).len(), 5002);
}

#[test]
fn an_execution_that_needs_too_much_memory_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let execution =
        session.run("x = 2; const all = []; while (true) all.push(new ArrayBuffer(1e7))");
    assert_rolled_back(&execution, "error", "MEMORY_LIMIT");
    let events = numbered_events(&session, &execution);
    assert_eq!(events.last().unwrap()["payload"], execution["error"]);
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn garbage_does_not_count_where_it_can_be_collected() {
    let daemon = Daemon::start();
    let template = daemon.template_with_limits(&json!({"wall_ms": 60_000, "cpu_ms": 60_000}));
    let path = format!("/templates/{template}/modules");
    daemon
        .api
        .post(&path, &json!({"name": "fs"}))
        .expect_status(201);
    let session = daemon.session_of(&template);
    daemon.write("large.json", &format!("\"{}\"", "x".repeat(4_000_000)));
    for code in [
        "for (let i = 0; i < 300; i++) new Uint8Array(1 << 20); 'done'",
        "for (let i = 0; i < 20; i++) new ArrayBuffer(40e6); 'done'",
        "const kept = new Uint8Array(50e6); kept[4e7] = 7; for (let i = 0; i < 20; i++) new Uint8Array(20e6); \
         kept[4e7] === 7 ? 'done' : 'lost'",
        "for (let i = 0; i < 50; i++) { ({ text: 'x'.repeat(2e3).repeat(2e3) }); await null } 'done'",
        "for (let i = 0; i < 40; i++) ({ text: require('fs').readFileSync('large.json', 'utf8') }); 'done'",
    ] {
        assert_eq!(session.eval(code), "done", "{code}");
    }
}

#[test]
fn memory_that_was_rolled_back_can_be_used_again() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for _ in 0..3 {
        let execution =
            session.run("{ const all = []; while (true) all.push(new ArrayBuffer(1e7)) }");
        assert_rolled_back(&execution, "error", "MEMORY_LIMIT");
        assert_eq!(session.eval("new ArrayBuffer(3e7).byteLength"), "30000000");
    }
}

#[test]
fn an_overflow_of_the_native_stack_is_rolled_back() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let execution = session.run("x = 2; eval('['.repeat(1e5))");
    assert_rolled_back(&execution, "error", "STACK_OVERFLOW");
    let events = numbered_events(&session, &execution);
    assert_eq!(types(&events), ["input_echo", "exception"]);
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn recursion_of_the_script_is_an_exception_of_its_own() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.x = 1");
    let execution = session.run("x = 2; (function f() { return f() + 1 })()");
    assert_eq!(execution["status"], "error", "{execution}");
    let message = text(&execution["error"], "message");
    assert!(message.starts_with("RangeError: "), "{message}");
    assert_eq!(session.eval("x"), "2");
}

#[test]
fn a_repetition_of_a_rolled_back_run_has_other_random_numbers() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut numbers: Vec<_> = (0..3)
        .map(|_| {
            let execution = session.run("console.log(Math.random()); eval('['.repeat(1e5))");
            assert_rolled_back(&execution, "error", "STACK_OVERFLOW");
            session.console(&execution).concat()
        })
        .collect();
    numbers.push(session.eval("Math.random()"));
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 4, "{numbers:?}");
}

#[test]
fn no_execution_stays_running_after_a_failure() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "eval('['.repeat(1e5))",
        "throw 1",
        "foo(",
        "while (true) console.log(1)",
    ] {
        session.submit(code);
    }
    let executions = session.executions();
    assert_eq!(executions.len(), 4);
    for execution in executions {
        assert_ne!(execution["status"], "running", "{execution}");
        assert_ne!(execution.get("ended_at"), None, "{execution}");
        assert_ne!(execution["metrics"], json!({}), "{execution}");
    }
}

#[test]
fn the_time_to_write_a_record_does_not_count_towards_wall_ms() {
    let daemon = Daemon::start();
    daemon.write("a.txt", "text");
    let session = daemon.session_of(&daemon.template_with_modules(&["fs"]));
    let busy = Connection::open(daemon.home().join("test.db")).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let code = "const text = require('fs').readFileSync('a.txt', 'utf8'); text";
            let body =
                json!({"session_id": session.id, "input": code, "limits": {"wall_ms": 1000}});
            daemon.api.post("/executions/repl", &body)
        });
        let since = Instant::now();
        wait_for("three times the limit to pass", || {
            (since.elapsed() > Duration::from_secs(3)).then_some(())
        });
        busy.execute_batch("ROLLBACK").unwrap();
        let execution = running.join().unwrap().expect_status(201);
        assert_eq!(execution["status"], "ok", "{execution}");
        // The time after the record was written is bounded as before.
        let code = "require('fs').readFileSync('a.txt', 'utf8'); while (true);";
        let body = json!({"session_id": session.id, "input": code, "limits": {"wall_ms": 100}});
        let execution = daemon
            .api
            .post("/executions/repl", &body)
            .expect_status(201);
        assert_rolled_back(&execution, "timeout", "WALL_TIME_LIMIT");
    });
}

#[test]
fn a_snippet_that_is_too_large_for_the_session_fails_and_is_not_retried() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval(
        "globalThis.keep = []; for (let i = 0; i < 118; i++) keep.push(new Uint8Array(1 << 20)); 1",
    );
    let execution = session.run(&format!("/*{}*/ 1", "x".repeat(7_000_000)));
    assert_eq!(execution["status"], "error", "{}", execution["error"]);
    assert_eq!(execution["error"]["code"], "MEMORY_LIMIT");
    assert_eq!(session.eval("keep.length"), "118");
}
