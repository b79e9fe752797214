//! Executions over the API: their records, their events, their files.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::assertions::{
    assert_has, assert_lacks, assert_names, column, is_timestamp, is_uuid, numbered_events, text,
    types,
};

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn an_execution_of_a_snippet_has_the_shape_of_the_contract() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("6 * 7");
    assert!(is_uuid(&execution["id"]));
    assert_eq!(execution["session_id"], *session.id);
    assert_eq!(execution["kind"], "repl");
    assert_eq!(execution["input"], "6 * 7");
    assert_eq!(
        (&execution["args"], &execution["env"]),
        (&json!([]), &json!({}))
    );
    assert_eq!(execution["status"], "ok");
    assert!(is_timestamp(&execution["started_at"]) && is_timestamp(&execution["ended_at"]));
    assert_eq!(
        execution["result"],
        json!({"type": "number", "preview": "42", "json": 42})
    );
    assert!(execution["metrics"].is_object(), "{execution}");
    assert_lacks(&execution, &["path", "error"]);
    let path = format!("/executions/{}", text(&execution, "id"));
    assert_eq!(daemon.api.get(&path).expect_status(200), execution);
}

#[test]
fn events_of_a_snippet_that_ends_well() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "console.log('a'); console.error('b'); ({x: 1})";
    let execution = session.run(code);
    let events = numbered_events(&session, &execution);
    assert_eq!(
        types(&events),
        ["input_echo", "console", "console", "value"]
    );
    assert_eq!(events[0]["payload"], json!({"text": code}));
    assert_eq!(events[1]["payload"], json!({"level": "log", "text": "a"}));
    assert_eq!(events[2]["payload"], json!({"level": "error", "text": "b"}));
    let value = json!({"type": "object", "preview": "{ x: 1 }", "json": {"x": 1}});
    assert_eq!(events[3]["payload"], value);
    assert_eq!(execution["result"], value);
}

#[test]
fn events_of_a_snippet_that_throws() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution =
        session.run("console.log(1);\nfunction f() { throw new RangeError('far'); }\nf()");
    assert_eq!(execution["status"], "error");
    assert_lacks(&execution, &["result"]);
    let events = numbered_events(&session, &execution);
    assert_eq!(types(&events), ["input_echo", "console", "exception"]);
    assert_eq!(events[2]["payload"], execution["error"]);
    let message = text(&execution["error"], "message");
    assert!(
        message.starts_with("RangeError: far at repl:2:"),
        "{message}"
    );
    assert!(
        text(&execution["error"], "stack").contains("repl:3:"),
        "{execution}"
    );
}

#[test]
fn globals_persist_from_one_execution_to_the_next() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "function fromFile() { return a + b + c + d }");
    assert_eq!(session.run("var a = 1")["result"]["type"], "undefined");
    session.run("let b = 2; const c = 3; globalThis.d = 4");
    session.submit_file("a.js").expect_status(201);
    assert_eq!(session.eval("fromFile()"), "10");
    session.run("a = 5; throw 1");
    assert_eq!(session.eval("a"), "5", "an exception undoes nothing");
    let other = daemon.session();
    assert_eq!(other.eval("typeof a"), "undefined");
}

#[test]
fn snippets_are_sloppy_scripts() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(
        session.eval("undeclared = 1; with ({w: 2}) { w + undeclared }"),
        "3"
    );
    assert_eq!(
        session.eval("(function () { return this === globalThis })()"),
        "true"
    );
    assert_eq!(session.eval("this === globalThis"), "true");
    assert_eq!(session.run(" ")["result"]["type"], "undefined");
}

#[test]
fn promise_jobs_are_done_before_the_end() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "Promise.resolve(1).then(x => console.log('job', x)).then(() => { globalThis.done = 1 }); \
                (async () => { await null; console.log('async') })(); console.log('sync')";
    let execution = session.run(code);
    assert_eq!(session.console(&execution), ["sync", "job 1", "async"]);
    assert_eq!(session.eval("done"), "1");
}

#[test]
fn required_fields_of_an_execution_are_named() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let cases = [
        ("repl", json!({"input": "1"}), "session_id"),
        ("repl", json!({"session_id": session.id}), "input"),
        ("run-file", json!({"path": "a.js"}), "session_id"),
        ("run-file", json!({"session_id": session.id}), "path"),
    ];
    for (kind, body, field) in cases {
        let answer = daemon.api.post(&format!("/executions/{kind}"), &body);
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), field);
    }
    let answer = daemon.api.get("/executions");
    assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "session_id");
}

#[test]
fn executions_are_listed_newest_first_up_to_the_limit() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for number in 0..52 {
        session.run(&number.to_string());
    }
    let list = |query: &str| {
        let path = format!("/executions?session_id={}{query}", session.id);
        daemon.api.get(&path)
    };
    let all = list("").expect_status(200);
    assert_eq!(all.as_array().unwrap().len(), 50);
    assert_eq!(
        column(&list("&limit=3").expect_status(200), "input"),
        ["51", "50", "49"]
    );
    assert_eq!(column(&all, "input")[..3], ["51", "50", "49"]);
    assert_eq!(
        list("&limit=1000")
            .expect_status(200)
            .as_array()
            .unwrap()
            .len(),
        52
    );
    assert_has(
        &all[0],
        &[
            "id",
            "session_id",
            "kind",
            "args",
            "env",
            "status",
            "result",
        ],
    );
    for limit in ["0", "-1", "1.5", "many", ""] {
        let answer = list(&format!("&limit={limit}"));
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "limit");
    }
}

#[test]
fn events_can_be_listed_after_a_sequence_number() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("for (let i = 0; i < 4; ++i) console.log(i)");
    let id = text(&execution, "id");
    let after = |seq: &str| {
        daemon
            .api
            .get(&format!("/executions/{id}/events?after_seq={seq}"))
    };
    let all = after("0").expect_status(200);
    assert_eq!(all.as_array().unwrap().len(), 6);
    let some = after("4").expect_status(200);
    assert_eq!(some.as_array().unwrap()[..], all.as_array().unwrap()[4..]);
    assert_eq!(after("6").expect_status(200), json!([]));
    for seq in ["-1", "x", "1.5"] {
        assert_names(
            &after(seq).expect_error(400, "VALIDATION_ERROR"),
            "after_seq",
        );
    }
}

#[test]
fn an_unknown_execution_is_not_found() {
    let daemon = Daemon::start();
    for path in [
        format!("/executions/{UNKNOWN_ID}"),
        format!("/executions/{UNKNOWN_ID}/events"),
    ] {
        let answer = daemon
            .api
            .get(&path)
            .expect_error(404, "EXECUTION_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["execution_id"], UNKNOWN_ID);
    }
}

#[test]
fn random_numbers_differ_between_sessions() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let mut numbers: Vec<_> = (0..50)
        .map(|_| daemon.session_of(&template).eval("Math.random()"))
        .collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 50);
}

#[test]
fn lone_surrogates_are_replaced_and_never_an_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        r"'a\ud800b'",
        r"({'\udc00': '\ud800'})",
        r"['\ud83d', '\ude00']",
        r"console.log('\ud800'); throw new Error('\udfff')",
        r"new Map([['\ud800', Symbol('\ud800')]])",
    ] {
        let execution = session.run(code);
        assert!(
            matches!(text(&execution, "status"), "ok" | "error"),
            "{execution}"
        );
        let events = numbered_events(&session, &execution);
        assert!(events.len() >= 2, "{events:?}");
    }
    let execution = session.run(r"'a\ud800b'");
    assert_eq!(execution["result"]["preview"], "a\u{fffd}b");
    assert_eq!(execution["result"]["json"], "a\u{fffd}b");
    assert_eq!(session.eval(r"'\ud83d\ude00'"), "\u{1f600}");
}

#[test]
fn a_lone_surrogate_in_the_request_is_refused_or_replaced() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let body = format!(
        r#"{{"session_id":"{}","input":"'\ud800'.length"}}"#,
        session.id
    );
    let request = daemon
        .api
        .request(reqwest::Method::POST, "/executions/repl")
        .header("Content-Type", "application/json")
        .body(body);
    let answer = daemon.api.send(request);
    match answer.status {
        201 => assert_eq!(answer.json["result"]["preview"], "1"),
        _ => drop(answer.expect_error(400, "INVALID_REQUEST")),
    }
}

#[test]
fn an_empty_snippet_is_refused_and_blanks_are_code() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.submit("").expect_error(400, "VALIDATION_ERROR");
    for code in [" ", "\n", "\t \n"] {
        assert_eq!(session.run(code)["status"], "ok", "{code:?}");
    }
}
