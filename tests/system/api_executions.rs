//! Executions over the API: their records, their events, their files.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Session};

use crate::checks::{
    assert_has, assert_lacks, assert_names, column, is_timestamp, is_uuid, numbered_events, text,
    types,
};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

fn run_file(daemon: &Daemon, session: &Session, body: &Value) -> Answer {
    let mut full = json!({"session_id": session.id});
    full.as_object_mut()
        .unwrap()
        .extend(body.as_object().unwrap().clone());
    daemon.api.post("/executions/run-file", &full)
}

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
    assert_eq!(daemon.api.get(&path).expect(200), execution);
}

#[test]
fn an_execution_of_a_file_has_its_arguments_and_its_environment() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "JSON.stringify([__ARGS__, __ENV__])");
    let plain = run_file(&daemon, &session, &json!({"path": "a.js"})).expect(201);
    assert_eq!(plain["kind"], "run_file");
    assert_eq!(plain["path"], "a.js");
    assert_eq!((&plain["args"], &plain["env"]), (&json!({}), &json!({})));
    assert_eq!(plain["result"]["preview"], "[{},{}]");
    assert_lacks(&plain, &["input"]);
    let body = json!({"path": "a.js", "args": {"n": [1, {"a": null}]}, "env": {"HOME": "/h"}});
    let given = run_file(&daemon, &session, &body).expect(201);
    assert_eq!(
        (&given["args"], &given["env"]),
        (&body["args"], &body["env"])
    );
    assert_eq!(
        given["result"]["preview"],
        r#"[{"n":[1,{"a":null}]},{"HOME":"/h"}]"#
    );
    let again = run_file(&daemon, &session, &json!({"path": "a.js"})).expect(201);
    assert_eq!(
        again["result"]["preview"], "[{},{}]",
        "nothing is left of the last ones"
    );
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
fn the_echo_of_a_file_is_its_path() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("dir/a.js", "console.warn('from a file')\nnope");
    let execution = session.try_run_file("dir/a.js").expect(201);
    let events = numbered_events(&session, &execution);
    assert_eq!(types(&events), ["input_echo", "console", "exception"]);
    assert_eq!(events[0]["payload"], json!({"text": "dir/a.js"}));
    let message = text(&execution["error"], "message");
    assert_eq!(
        message,
        "ReferenceError: nope is not defined at dir/a.js:2:1"
    );
}

#[test]
fn a_missing_global_is_named_with_its_place() {
    let daemon = Daemon::start();
    let execution = daemon.session().run("x");
    assert_eq!(execution["status"], "error");
    assert_eq!(
        execution["error"]["message"],
        "ReferenceError: x is not defined at repl:1:1"
    );
}

#[test]
fn a_syntax_error_is_an_execution_that_ended_with_an_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in ["let = ;", "foo(", "}", "'abc", "return 1"] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "error", "{code}");
        let message = text(&execution["error"], "message");
        assert!(message.starts_with("SyntaxError: "), "{code}: {message}");
        assert!(message.contains("repl:1:"), "{code}: {message}");
        let events = numbered_events(&session, &execution);
        assert_eq!(types(&events), ["input_echo", "exception"]);
    }
}

#[test]
fn whatever_is_thrown_has_a_message() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for code in [
        "throw 1",
        "throw 'text'",
        "throw null",
        "throw undefined",
        "throw {}",
        "throw () => 1",
    ] {
        let execution = session.run(code);
        assert_eq!(execution["status"], "error", "{code}");
        assert!(!text(&execution["error"], "message").is_empty(), "{code}");
    }
    let own = session.run("class Own extends Error { name = 'Own' }; throw new Own('mine')");
    let message = text(&own["error"], "message");
    assert!(message.starts_with("Own: mine"), "{message}");
}

#[test]
fn globals_live_on_from_one_execution_to_the_next() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "function fromFile() { return a + b + c + d }");
    assert_eq!(session.run("var a = 1")["result"]["type"], "undefined");
    session.run("let b = 2; const c = 3; globalThis.d = 4");
    session.try_run_file("a.js").expect(201);
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
    assert_eq!(session.run("")["result"]["type"], "undefined");
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
fn a_path_that_leaves_the_worktree_is_invalid() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let secret = daemon.home().join("secret.js");
    std::fs::write(&secret, "'secret'").unwrap();
    symlink(&secret, daemon.worktree().join("link.js")).unwrap();
    symlink("..", daemon.worktree().join("up")).unwrap();
    let twin = format!("{}-twin/a.js", daemon.worktree().display());
    for path in [
        secret.to_str().unwrap(),
        "/etc/passwd",
        &twin,
        "../secret.js",
        "a/../../secret.js",
        "link.js",
        "up/secret.js",
    ] {
        let answer = session.try_run_file(path).expect_error(422, "INVALID_PATH");
        assert_eq!(answer.json["error"]["details"]["path"], path);
    }
    assert!(session.executions().is_empty());
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "1");
    for path in ["missing.js", "no/such/dir.js", "a.js/b.js"] {
        let answer = session
            .try_run_file(path)
            .expect_error(404, "FILE_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["path"], path);
    }
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn files_inside_the_worktree_are_found_by_each_of_their_paths() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("dir/a.js", "'here'");
    symlink("dir/a.js", daemon.worktree().join("inner.js")).unwrap();
    let absolute = daemon.worktree().join("dir/a.js");
    for path in [
        "dir/a.js",
        "./dir/./a.js",
        "inner.js",
        absolute.to_str().unwrap(),
    ] {
        let execution = session.try_run_file(path).expect(201);
        assert_eq!(execution["result"]["preview"], "here", "{path}");
        assert_eq!(execution["path"], path);
    }
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
    let all = list("").expect(200);
    assert_eq!(all.as_array().unwrap().len(), 50);
    assert_eq!(
        column(&list("&limit=3").expect(200), "input"),
        ["51", "50", "49"]
    );
    assert_eq!(column(&all, "input")[..3], ["51", "50", "49"]);
    assert_eq!(
        list("&limit=1000").expect(200).as_array().unwrap().len(),
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
fn events_can_be_asked_for_from_a_number_on() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("for (let i = 0; i < 4; ++i) console.log(i)");
    let id = text(&execution, "id");
    let after = |seq: &str| {
        daemon
            .api
            .get(&format!("/executions/{id}/events?after_seq={seq}"))
    };
    let all = after("0").expect(200);
    assert_eq!(all.as_array().unwrap().len(), 6);
    let some = after("4").expect(200);
    assert_eq!(some.as_array().unwrap()[..], all.as_array().unwrap()[4..]);
    assert_eq!(after("6").expect(200), json!([]));
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
        format!("/executions/{NOBODY}"),
        format!("/executions/{NOBODY}/events"),
    ] {
        let answer = daemon
            .api
            .get(&path)
            .expect_error(404, "EXECUTION_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["execution_id"], NOBODY);
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
