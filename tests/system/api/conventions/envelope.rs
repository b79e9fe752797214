//! What all endpoints have in common.

use std::fs;

use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};
use vm_system_tests::{Daemon, Role, wait_for};

use crate::support::assertions::{is_timestamp, is_uuid};

const ID: &str = "00000000-0000-4000-8000-000000000000";

/// The request id of the answer to a request with this id.
fn echoed_id(daemon: &Daemon, own: Option<&[u8]>) -> String {
    let mut request = daemon.api.request(Method::GET, "/health");
    if let Some(own) = own {
        request = request.header("X-Request-Id", own);
    }
    let answer = daemon.api.send(request);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
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
        session.submit("1"),
        session.submit("throw 1"),
        daemon.api.post("/templates", &json!({})),
        daemon.api.get(&format!("/sessions/{ID}")),
        daemon.api.get("/nothing"),
        daemon.api.delete("/health"),
        daemon
            .api
            .send(daemon.api.request(Method::POST, "/templates").body("{")),
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
        (Method::POST, "/metadata/modules".to_owned(), vec!["GET"]),
        (Method::POST, "/metadata/libraries".to_owned(), vec!["GET"]),
        (Method::DELETE, "/templates".to_owned(), vec!["GET", "POST"]),
        (
            Method::PUT,
            format!("/templates/{ID}"),
            vec!["DELETE", "GET", "PATCH"],
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
fn timestamps_are_utc_with_microseconds() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("1");
    let closed = session.close();
    let templates = daemon.api.get("/templates").expect_status(200);
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
        assert_eq!(daemon.api.get(path).expect_status(200), json!([]), "{path}");
    }
    assert_eq!(
        daemon.api.get("/runtime/summary").expect_status(200),
        json!({"active_sessions": 0, "active_session_ids": []})
    );
    let template = daemon.template();
    for list in ["capabilities", "startup-files", "modules", "libraries"] {
        let path = format!("/templates/{template}/{list}");
        assert_eq!(
            daemon.api.get(&path).expect_status(200),
            json!([]),
            "{list}"
        );
    }
    let details = daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect_status(200);
    assert_eq!(details["capabilities"], json!([]));
    assert_eq!(details["startup_files"], json!([]));
    assert_eq!(details["template"]["exposed_modules"], json!([]));
    assert_eq!(details["template"]["libraries"], json!([]));
    let session = daemon.session_of(&template);
    let executions = format!("/executions?session_id={}", session.id);
    assert_eq!(daemon.api.get(&executions).expect_status(200), json!([]));
    let id = session.run("1")["id"].as_str().unwrap().to_owned();
    let events = format!("/executions/{id}/events?after_seq=1000");
    assert_eq!(daemon.api.get(&events).expect_status(200), json!([]));
}

#[test]
fn health_is_ok() {
    assert_eq!(
        Daemon::start().api.get("/health").expect_status(200),
        json!({"status": "ok"})
    );
}

#[test]
fn a_failure_of_the_service_is_logged_and_answered_without_internals() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let database = rusqlite::Connection::open(daemon.home().join("test.db")).unwrap();
    database
        .execute("UPDATE template SET limits = 'spoilt by a test'", [])
        .unwrap();
    let answer = daemon.api.get(&format!("/templates/{template}"));
    let answer = answer.expect_error(500, "RECORD_UNREADABLE");
    for internal in ["spoilt", "limits", "column", "SQL"] {
        assert!(!answer.text.contains(internal), "{}", answer.text);
    }
    wait_for("the cause in the log", || {
        daemon.log().contains("spoilt by a test").then_some(())
    });
    assert_eq!(daemon.api.get("/health").status, 200);
}

#[test]
fn get_requests_change_nothing() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("x = 1");
    let before = fs::read(daemon.home().join("test.db-wal")).unwrap();
    for path in [
        "/health",
        "/templates",
        "/sessions",
        "/runtime/summary",
        "/runtime/sandbox",
        "/metadata/modules",
        "/metadata/libraries",
        &format!("/sessions/{}", session.id),
        &format!("/executions?session_id={}", session.id),
        &format!("/sessions/{}/close", session.id),
    ] {
        daemon.api.get(path);
    }
    assert_eq!(fs::read(daemon.home().join("test.db-wal")).unwrap(), before);
    assert_eq!(session.record()["status"], "ready");
    daemon.process_of(&session, Role::Session);
}
