//! What all endpoints have in common.

use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, wait_for};

use crate::checks::{assert_names, is_timestamp, is_uuid};

const ID: &str = "00000000-0000-4000-8000-000000000000";

/// The id that is answered to a request with this one.
fn echoed_id(daemon: &Daemon, own: Option<&[u8]>) -> String {
    let mut request = daemon.api.request(Method::GET, "/health");
    if let Some(own) = own {
        request = request.header("X-Request-Id", own);
    }
    let answer = daemon.api.send(request);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
}

/// Posts text as JSON.
fn post_text(daemon: &Daemon, path: &str, text: &str) -> Answer {
    let request = daemon
        .api
        .request(Method::POST, path)
        .header(CONTENT_TYPE, "application/json")
        .body(text.to_owned());
    daemon.api.send(request)
}

#[test]
fn a_callers_own_request_id_is_answered_and_logged() {
    let daemon = Daemon::start();
    let long = "~".repeat(128);
    for own in ["a", "build/7:!\"#", long.as_str()] {
        assert_eq!(echoed_id(&daemon, Some(own.as_bytes())), own);
    }
    assert_eq!(
        echoed_id(&daemon, Some(b"to-be-found-in-the-log")),
        "to-be-found-in-the-log"
    );
    wait_for("the line in the log", || {
        daemon
            .log()
            .contains("to-be-found-in-the-log")
            .then_some(())
    });
}

#[test]
fn a_request_without_an_acceptable_id_gets_a_new_one_each() {
    let daemon = Daemon::start();
    let long = "x".repeat(129);
    let own: [Option<&[u8]>; 6] = [
        None,
        Some(b""),
        Some(b"with space"),
        Some(b"with\ttab"),
        Some("\u{e4}".as_bytes()),
        Some(long.as_bytes()),
    ];
    let mut ids: Vec<_> = own.iter().map(|own| echoed_id(&daemon, *own)).collect();
    assert!(ids.iter().all(|id| is_uuid(&json!(id))), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), own.len());
    let other = "00000000-0000-4000-8000-00000000beef";
    let missing = daemon.api.get(&format!("/templates/{other}"));
    assert!(
        missing.headers.contains_key("x-request-id"),
        "errors have one, too"
    );
    assert!(
        daemon
            .api
            .get("/nothing")
            .headers
            .contains_key("x-request-id")
    );
}

#[test]
fn every_answer_is_json_with_one_newline_at_its_end() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let answers = [
        daemon.api.get("/health"),
        daemon.api.get("/templates"),
        daemon.api.post("/templates", &json!({"name": "new"})),
        session.try_run("1"),
        session.try_run("throw 1"),
        daemon.api.post("/templates", &json!({})),
        daemon.api.get(&format!("/sessions/{ID}")),
        daemon.api.get("/nothing"),
        daemon.api.delete("/health"),
        post_text(&daemon, "/templates", "{"),
        daemon.api.delete(&format!("/sessions/{}", session.id)),
    ];
    for answer in answers {
        let text = &answer.text;
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text:?}");
        assert_ne!(answer.json, Value::Null, "{text:?}");
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json", "{text}");
    }
}

#[test]
fn an_unknown_route_is_not_found_in_the_envelope() {
    let daemon = Daemon::start();
    for path in [
        "/nothing",
        "/templates/a/b/c/d",
        "/health/more",
        "/executions/a/nothing",
        "/../../",
        "/../v2/health",
    ] {
        let answer = daemon.api.get(path).expect_error(404, "NOT_FOUND");
        assert!(!answer.message().is_empty());
        let error = answer.json["error"].as_object().unwrap();
        assert!(
            !error.contains_key("details"),
            "there is nothing to say: {}",
            answer.text
        );
    }
}

#[test]
fn a_wrong_method_is_refused_with_those_that_are_allowed() {
    let daemon = Daemon::start();
    let cases = [
        (Method::DELETE, "/health".to_owned(), vec!["GET"]),
        (Method::POST, "/runtime/summary".to_owned(), vec!["GET"]),
        (Method::DELETE, "/templates".to_owned(), vec!["GET", "POST"]),
        (
            Method::PUT,
            format!("/templates/{ID}"),
            vec!["DELETE", "GET"],
        ),
        (
            Method::DELETE,
            format!("/templates/{ID}/capabilities"),
            vec!["GET", "POST"],
        ),
        (
            Method::PUT,
            format!("/templates/{ID}/startup-files"),
            vec!["GET", "POST"],
        ),
        (
            Method::PATCH,
            format!("/templates/{ID}/modules"),
            vec!["GET", "POST"],
        ),
        (
            Method::GET,
            format!("/templates/{ID}/modules/fs"),
            vec!["DELETE"],
        ),
        (
            Method::PATCH,
            format!("/templates/{ID}/libraries"),
            vec!["GET", "POST"],
        ),
        (
            Method::GET,
            format!("/templates/{ID}/libraries/a"),
            vec!["DELETE"],
        ),
        (Method::PUT, "/sessions".to_owned(), vec!["GET", "POST"]),
        (
            Method::POST,
            format!("/sessions/{ID}"),
            vec!["DELETE", "GET"],
        ),
        (Method::GET, format!("/sessions/{ID}/close"), vec!["POST"]),
        (Method::POST, "/executions".to_owned(), vec!["GET"]),
        (Method::GET, "/executions/repl".to_owned(), vec!["POST"]),
        (Method::GET, "/executions/run-file".to_owned(), vec!["POST"]),
        (Method::DELETE, format!("/executions/{ID}"), vec!["GET"]),
        (
            Method::POST,
            format!("/executions/{ID}/events"),
            vec!["GET"],
        ),
    ];
    for (method, path, allowed) in cases {
        let answer = daemon.api.send(daemon.api.request(method, &path));
        let answer = answer.expect_error(405, "METHOD_NOT_ALLOWED");
        let header = answer.headers[ALLOW].to_str().unwrap();
        let mut methods: Vec<_> = header.split(',').map(str::trim).collect();
        methods.retain(|method| *method != "HEAD");
        methods.sort_unstable();
        assert_eq!(methods, allowed, "{path}");
    }
}

#[test]
fn a_body_is_decoded_strictly_and_the_fault_is_named() {
    let daemon = Daemon::start();
    let cases = [
        ("/templates", r#"{"name":"#, "line 1 column"),
        ("/templates", "name=a", "line 1 column"),
        ("/templates", r#"{"name":"a","colour":1}"#, "colour"),
        ("/templates", r#"{"name":1}"#, "name"),
        ("/templates", r#"{"name":"a","engine":["boa"]}"#, "engine"),
        ("/templates", r#"{"name":"a"} x"#, "column"),
        ("/templates", r#"{"name":"a"}{"name":"b"}"#, "column"),
        ("/templates", r#"{"name":"a","name":"b"}"#, "name"),
        ("/templates", "\"a\"", "line 1 column"),
        ("/templates", "null", "line 1 column"),
        ("/templates", "", "empty"),
        ("/templates", " \n", "empty"),
        ("/templates/ID/modules", r#"{"name":true}"#, "name"),
        ("/templates/ID/libraries", r#"{"nam":"a"}"#, "nam"),
        (
            "/templates/ID/capabilities",
            r#"{"kind":"fs","name":"a","config":[]}"#,
            "config",
        ),
        (
            "/templates/ID/capabilities",
            r#"{"kind":"fs","name":"a","enabled":"yes"}"#,
            "enabled",
        ),
        (
            "/templates/ID/startup-files",
            r#"{"path":"a.js","order_index":"1"}"#,
            "order_index",
        ),
        (
            "/templates/ID/startup-files",
            r#"{"path":"a.js","order_index":1.5}"#,
            "order_index",
        ),
        ("/sessions", r#"{"template_id":1}"#, "template_id"),
        ("/sessions", r#"{"vm_id":"a"}"#, "vm_id"),
        (
            "/executions/repl",
            r#"{"session_id":"a","input":42}"#,
            "input",
        ),
        (
            "/executions/repl",
            r#"{"session_id":"a","code":"1"}"#,
            "code",
        ),
        (
            "/executions/run-file",
            r#"{"session_id":"a","path":"a.js","args":[]}"#,
            "args",
        ),
        (
            "/executions/run-file",
            r#"{"session_id":"a","path":"a.js","env":"A=1"}"#,
            "env",
        ),
    ];
    let template = daemon.template();
    for (path, body, named) in cases {
        let answer = post_text(&daemon, &path.replace("ID", &template), body);
        assert_eq!(
            (answer.status, answer.code()),
            (400, "INVALID_REQUEST"),
            "{body}: {}",
            answer.text
        );
        assert_names(&answer, named);
    }
    assert_eq!(
        daemon
            .api
            .get("/templates")
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_body_that_is_a_list_is_not_taken_for_an_object() {
    let daemon = Daemon::start();
    post_text(&daemon, "/templates", r#"["a","boa"]"#).expect_error(400, "INVALID_REQUEST");
    post_text(&daemon, "/templates", "[]").expect_error(400, "INVALID_REQUEST");
    assert_eq!(daemon.api.get("/templates").expect(200), json!([]));
}

#[test]
fn a_body_that_is_not_utf_8_is_refused() {
    let daemon = Daemon::start();
    let request = daemon
        .api
        .request(Method::POST, "/templates")
        .header(CONTENT_TYPE, "application/json")
        .body(b"{\"name\":\"\xff\"}".to_vec());
    daemon
        .api
        .send(request)
        .expect_error(400, "INVALID_REQUEST");
}

#[test]
fn a_body_over_8_mib_is_too_large_and_one_just_below_is_taken() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let limit = 8 * 1024 * 1024;
    let frame = json!({"session_id": session.id, "input": "/**/1"}).to_string();
    let code = format!("/*{}*/1", "x".repeat(limit - frame.len()));
    assert_eq!(session.eval(&code), "1");
    let longer = format!("/*{}*/1", "x".repeat(limit - frame.len() + 1));
    session
        .try_run(&longer)
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn a_body_that_is_not_json_by_its_type_is_unsupported() {
    let daemon = Daemon::start();
    let post = |kind: Option<&str>, name: &str| {
        let mut request = daemon
            .api
            .request(Method::POST, "/templates")
            .body(json!({"name": name}).to_string());
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        daemon.api.send(request)
    };
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("json"),
    ] {
        post(kind, "refused").expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    post(Some("application/json; charset=utf-8"), "a").expect(201);
    post(Some("Application/JSON"), "b").expect(201);
}

#[test]
fn a_malformed_id_is_refused_by_the_name_of_its_parameter() {
    let daemon = Daemon::start();
    let session = json!({
        "template_id": "x", "workspace_id": "w", "base_commit_oid": "c", "worktree_path": "/",
    });
    let mut unhyphenated = session.clone();
    unhyphenated["template_id"] = json!(ID.replace('-', ""));
    let template = "template_id must be a valid UUID";
    let cases = [
        (daemon.api.get("/templates/x"), template),
        (
            daemon
                .api
                .get(&format!("/templates/{}", ID.replace('-', ""))),
            template,
        ),
        (daemon.api.delete("/templates/x"), template),
        (daemon.api.get("/templates/x/modules"), template),
        (
            daemon
                .api
                .post("/templates/x/modules", &json!({"name": "fs"})),
            template,
        ),
        (daemon.api.delete("/templates/x/modules/fs"), template),
        (daemon.api.get("/templates/x/libraries"), template),
        (daemon.api.get("/templates/x/capabilities"), template),
        (daemon.api.get("/templates/x/startup-files"), template),
        (daemon.api.post("/sessions", &session), template),
        (daemon.api.post("/sessions", &unhyphenated), template),
        (
            daemon.api.get("/sessions/x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.delete("/sessions/x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post("/sessions/x/close", &json!({})),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions?session_id=x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post(
                "/executions/repl",
                &json!({"session_id": "x", "input": "1"}),
            ),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post(
                "/executions/run-file",
                &json!({"session_id": "x", "path": "a"}),
            ),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions/x"),
            "execution_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions/x/events"),
            "execution_id must be a valid UUID",
        ),
    ];
    for (answer, message) in cases {
        assert_eq!(
            (answer.status, answer.code()),
            (400, "VALIDATION_ERROR"),
            "{message}: {}",
            answer.text
        );
        assert_names(&answer, message);
    }
}

#[test]
fn timestamps_are_utc_with_microseconds() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("1");
    let closed = session.close();
    let templates = daemon.api.get("/templates").expect(200);
    for timestamp in [
        &templates[0]["created_at"],
        &templates[0]["updated_at"],
        &closed["created_at"],
        &closed["closed_at"],
        &execution["started_at"],
        &execution["ended_at"],
        &session.events(&execution)[0]["ts"],
    ] {
        assert!(is_timestamp(timestamp), "{timestamp}");
    }
    assert!(execution["started_at"].as_str() < execution["ended_at"].as_str());
    let fractions = ["started_at", "ended_at"].map(|field| execution[field].to_string());
    assert!(
        fractions.iter().any(|text| !text.ends_with("000000Z\"")),
        "{fractions:?}"
    );
}

#[test]
fn empty_lists_are_lists() {
    let daemon = Daemon::start();
    for path in ["/templates", "/sessions"] {
        assert_eq!(daemon.api.get(path).expect(200), json!([]), "{path}");
    }
    assert_eq!(
        daemon.api.get("/runtime/summary").expect(200),
        json!({"active_sessions": 0, "active_session_ids": []})
    );
    let template = daemon.template();
    for list in ["capabilities", "startup-files", "modules", "libraries"] {
        let path = format!("/templates/{template}/{list}");
        assert_eq!(daemon.api.get(&path).expect(200), json!([]), "{list}");
    }
    let details = daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect(200);
    assert_eq!(details["capabilities"], json!([]));
    assert_eq!(details["startup_files"], json!([]));
    assert_eq!(details["template"]["exposed_modules"], json!([]));
    assert_eq!(details["template"]["libraries"], json!([]));
    let session = daemon.session_of(&template);
    let executions = format!("/executions?session_id={}", session.id);
    assert_eq!(daemon.api.get(&executions).expect(200), json!([]));
    let id = session.run("1")["id"].as_str().unwrap().to_owned();
    let events = format!("/executions/{id}/events?after_seq=1000");
    assert_eq!(daemon.api.get(&events).expect(200), json!([]));
}

#[test]
fn health_is_ok() {
    assert_eq!(
        Daemon::start().api.get("/health").expect(200),
        json!({"status": "ok"})
    );
}
