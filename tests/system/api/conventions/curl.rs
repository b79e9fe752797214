//! The contract as `curl` sees it.

use std::process::Command;

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::support::assertions::text;

/// What `curl -i` printed.
struct Reply {
    status: u16,
    head: String,
    json: Value,
}

fn has_curl() -> bool {
    let there = Command::new("curl").arg("--version").output().is_ok();
    if !there {
        println!("skipped: there is no curl");
    }
    there
}

/// Runs `curl` on a path of the daemon.
fn curl(daemon: &Daemon, path: &str, args: &[&str]) -> Reply {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--noproxy", "*"])
        .args(args)
        .arg(format!("{}{path}", daemon.server()))
        .output()
        .expect("curl can be run");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("an answer is UTF-8");
    let (head, body) = text.rsplit_once("\r\n\r\n").expect("a head and a body");
    let head = head
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    assert!(body.ends_with('\n'), "{body:?}");
    Reply {
        status: status.expect("a status"),
        json: serde_json::from_str(body).expect("an answer is JSON"),
        head,
    }
}

/// Posts JSON.
fn post(daemon: &Daemon, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    curl(
        daemon,
        &format!("/api/v1{path}"),
        &[
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            &body,
        ],
    )
}

fn repl(daemon: &Daemon, session: &Session, code: &str) -> Value {
    let reply = post(
        daemon,
        "/executions/repl",
        &json!({"session_id": session.id, "input": code}),
    );
    assert_eq!(reply.status, 201, "{}", reply.json);
    reply.json
}

#[track_caller]
fn assert_error(reply: &Reply, status: u16, code: &str) {
    let found = (reply.status, reply.json["error"]["code"].as_str());
    assert_eq!(found, (status, Some(code)), "{}", reply.json);
}

#[test]
fn the_life_of_a_session_over_curl() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    let health = curl(&daemon, "/api/v1/health", &[]);
    assert_eq!((health.status, health.json), (200, json!({"status": "ok"})));
    let template = post(
        &daemon,
        "/templates",
        &json!({"name": "demo", "engine": "goja"}),
    );
    assert_eq!(
        (template.status, &template.json["engine"]),
        (201, &json!("goja"))
    );
    let session = post(
        &daemon,
        "/sessions",
        &json!({
            "template_id": template.json["id"],
            "workspace_id": "w",
            "base_commit_oid": "c",
            "worktree_path": daemon.worktree(),
        }),
    );
    assert_eq!(
        (session.status, &session.json["status"]),
        (201, &json!("ready"))
    );
    let id = text(&session.json, "id");
    let execution = post(
        &daemon,
        "/executions/repl",
        &json!({"session_id": id, "input": "console.log('a', 1, {b: [1, 2]}); 42"}),
    );
    assert_eq!(execution.status, 201);
    assert_eq!(execution.json["result"]["preview"], "42");
    let events = curl(
        &daemon,
        &format!(
            "/api/v1/executions/{}/events?after_seq=1",
            text(&execution.json, "id")
        ),
        &[],
    );
    assert_eq!(events.json[0]["payload"]["text"], "a 1 { b: [ 1, 2 ] }");
    let closed = curl(
        &daemon,
        &format!("/api/v1/sessions/{id}"),
        &["-X", "DELETE"],
    );
    assert_eq!(
        (closed.status, &closed.json["status"]),
        (200, &json!("closed"))
    );
    let again = curl(
        &daemon,
        &format!("/api/v1/sessions/{id}/close"),
        &["-X", "POST"],
    );
    assert_eq!((again.status, again.json), (200, closed.json));
    let refused = post(
        &daemon,
        "/executions/repl",
        &json!({"session_id": id, "input": "1"}),
    );
    assert_error(&refused, 409, "SESSION_NOT_READY");
}

#[test]
fn the_facts_that_scripts_rely_on_over_curl() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(
        repl(&daemon, &session, "var y = 1")["result"]["type"],
        "undefined"
    );
    assert_eq!(repl(&daemon, &session, "y + 1")["result"]["json"], 2);
    let syntax = repl(&daemon, &session, "let = ;");
    assert_eq!(syntax["status"], "error");
    assert!(text(&syntax["error"], "message").starts_with("SyntaxError"));
    let missing = repl(&daemon, &session, "x");
    assert_eq!(
        missing["error"]["message"],
        "ReferenceError: x is not defined at repl:1:1"
    );
    let module = repl(&daemon, &session, "require('fs')");
    assert!(text(&module["error"], "message").contains("Invalid module"));
    daemon.write("a.js", "__ARGS__.n + __ENV__.HOME");
    let file = post(
        &daemon,
        "/executions/run-file",
        &json!({"session_id": session.id, "path": "a.js", "args": {"n": 1}, "env": {"HOME": "h"}}),
    );
    assert_eq!(file.json["result"]["preview"], "1h");
}

#[test]
fn errors_over_curl() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    assert_error(&curl(&daemon, "/", &[]), 404, "NOT_FOUND");
    assert_error(&curl(&daemon, "/api/v2/health", &[]), 404, "NOT_FOUND");
    let method = curl(&daemon, "/api/v1/templates", &["-X", "PUT"]);
    assert_error(&method, 405, "METHOD_NOT_ALLOWED");
    assert!(method.head.contains("\r\nallow: "), "{}", method.head);
    let text = ["-H", "Content-Type: text/plain", "-d", "{}"];
    let text = curl(&daemon, "/api/v1/templates", &text);
    assert_error(&text, 415, "UNSUPPORTED_MEDIA_TYPE");
    let message = text.json["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("Content-Type: application/json"),
        "{message}"
    );
    let form = curl(&daemon, "/api/v1/templates", &["-d", "name=a"]);
    assert_error(&form, 400, "INVALID_REQUEST");
    let unknown = post(&daemon, "/templates", &json!({"name": "a", "color": 1}));
    assert_error(&unknown, 400, "INVALID_REQUEST");
    assert_error(
        &curl(&daemon, "/api/v1/templates/a", &[]),
        400,
        "VALIDATION_ERROR",
    );
    post(&daemon, "/templates", &json!({"name": "a"}));
    let taken = post(&daemon, "/templates", &json!({"name": "a"}));
    assert_error(&taken, 409, "TEMPLATE_EXISTS");
}

#[test]
fn a_body_is_read_as_curl_sends_it_unless_a_browser_might_have() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    let mut number = 0;
    let mut create = |headers: &[&str]| {
        number += 1;
        let body = json!({"name": format!("template-{number}")}).to_string();
        let mut args = vec!["-d", &body];
        for header in headers {
            args.extend(["-H", header]);
        }
        curl(&daemon, "/api/v1/templates", &args)
    };
    // Without a header argument, `curl -d` sends the type of forms.
    assert_eq!(create(&[]).status, 201);
    assert_eq!(create(&["Content-Type:"]).status, 201);
    let own = format!("Origin: {}", daemon.server());
    for browser in [
        &*own,
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: navigate",
    ] {
        for kind in ["X-Other: 1", "Content-Type:"] {
            assert_error(&create(&[browser, kind]), 415, "UNSUPPORTED_MEDIA_TYPE");
        }
        assert_eq!(
            create(&[browser, "Content-Type: application/json"]).status,
            201
        );
    }
}

#[test]
fn a_large_body_is_refused_over_curl() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    let body = daemon.home().join("body.json");
    std::fs::write(&body, format!("{{\"name\":\"{}\"}}", "x".repeat(9 << 20))).unwrap();
    let data = format!("@{}", body.display());
    for args in [
        vec![
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            &data,
        ],
        vec![
            "-H",
            "Content-Type: application/json",
            "-H",
            "Transfer-Encoding: chunked",
            "--data-binary",
            &data,
        ],
        vec![
            "-H",
            "Content-Type: application/json",
            "-H",
            "Expect:",
            "--data-binary",
            &data,
        ],
    ] {
        assert_error(
            &curl(&daemon, "/api/v1/templates", &args),
            413,
            "PAYLOAD_TOO_LARGE",
        );
    }
}

#[test]
fn the_headers_over_curl() {
    if !has_curl() {
        return;
    }
    let daemon = Daemon::start();
    let reply = curl(
        &daemon,
        "/api/v1/health",
        &["-H", "X-Request-Id: my-own-id"],
    );
    assert!(
        reply.head.contains("\r\nx-request-id: my-own-id"),
        "{}",
        reply.head
    );
    assert!(
        reply.head.contains("\r\ncontent-type: application/json"),
        "{}",
        reply.head
    );
    let fresh = curl(&daemon, "/api/v1/health", &[]);
    let id = fresh.head.split("x-request-id: ").nth(1).unwrap();
    assert!(uuid::Uuid::try_parse(&id[..36]).is_ok(), "{}", fresh.head);
}
