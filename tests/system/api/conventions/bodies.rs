//! Bodies of requests: strict decoding, size and type.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use vm_system_tests::{Answer, Daemon};

use crate::support::assertions::assert_names;

/// Posts text as JSON.
fn post_text(daemon: &Daemon, path: &str, text: &str) -> Answer {
    let request = daemon
        .api
        .request(Method::POST, path)
        .header(CONTENT_TYPE, "application/json")
        .body(text.to_owned());
    daemon.api.send(request)
}

/// Faulty bodies: the path, the body, and what the error must name. `ID` stands for a template.
const FAULTY_BODIES: [(&str, &str, &str); 24] = [
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

#[test]
fn a_body_is_decoded_strictly_and_the_fault_is_named() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for (path, body, named) in FAULTY_BODIES {
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
            .expect_status(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_body_that_is_a_list_is_no_object() {
    let daemon = Daemon::start();
    post_text(&daemon, "/templates", r#"["a","boa"]"#).expect_error(400, "INVALID_REQUEST");
    post_text(&daemon, "/templates", "[]").expect_error(400, "INVALID_REQUEST");
    assert_eq!(daemon.api.get("/templates").expect_status(200), json!([]));
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
        .submit(&longer)
        .expect_error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn a_body_of_another_type_is_unsupported() {
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
    for kind in [None, Some("application/x-www-form-urlencoded")] {
        let name = format!("{kind:?}");
        post(kind, &name).expect_status(201);
    }
    for kind in [
        Some("text/plain"),
        Some("multipart/form-data"),
        Some("json"),
    ] {
        post(kind, "refused").expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    post(Some("application/json; charset=utf-8"), "a").expect_status(201);
    post(Some("Application/JSON"), "b").expect_status(201);
}
