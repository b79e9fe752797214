//! Submitting executions with further fields of the body, and waiting for their end.

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Session, wait_for};

/// Submits a snippet with further fields of the body.
pub(crate) fn submit(daemon: &Daemon, session: &Session, code: &str, more: &Value) -> Answer {
    let mut body = json!({"session_id": session.id, "input": code});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    daemon.api.post("/executions/repl", &body)
}

/// Starts a snippet without waiting for its end.
pub(crate) fn submit_without_waiting(daemon: &Daemon, session: &Session, code: &str) -> String {
    let started = submit(daemon, session, code, &json!({"wait_ms": 0}));
    let execution = started.expect_status(202);
    assert_eq!(execution["status"], "running", "{execution}");
    execution["id"].as_str().unwrap().to_owned()
}

/// The path of the event stream of an execution.
pub(crate) fn stream_path(id: &str) -> String {
    format!("/executions/{id}/events/stream")
}

/// Waits until an execution has ended and its events are stored; returns its record.
pub(crate) fn wait_until_ended(daemon: &Daemon, id: &str) -> Value {
    // Storing many events can take long.
    let path = format!(
        "/executions/{id}/events?after_seq={}&wait_ms=300000",
        i64::MAX
    );
    daemon.api.get(&path).expect_status(200);
    wait_for("the execution to end", || {
        let execution = daemon
            .api
            .get(&format!("/executions/{id}"))
            .expect_status(200);
        (execution["status"] != "running").then_some(execution)
    })
}

/// Makes a session whose executions may write much output and run for five minutes.
pub(crate) fn session_with_large_limits(daemon: &Daemon) -> Session {
    let limits = json!({
        "max_events": 1_000_000, "max_output_kb": 1_000_000, "wall_ms": 300_000, "cpu_ms": 300_000,
    });
    daemon.session_of(&daemon.template_with_limits(&limits))
}
