//! Limits of a daemon as a whole: sessions, idle time, bodies, slow clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use vm_system_tests::{Daemon, wait_for};

use crate::support::cli::output_of;

#[test]
fn there_are_no_more_sessions_than_allowed() {
    let daemon = Daemon::start_with_args(&["--max-sessions", "2"]);
    let template = daemon.template();
    let first = daemon.session_of(&template);
    let _second = daemon.session_of(&template);
    let answer = daemon
        .request_session(&template)
        .expect_error(503, "UNAVAILABLE");
    assert!(
        answer.message().contains("--max-sessions"),
        "{}",
        answer.text
    );
    assert!(answer.headers.contains_key("retry-after"));
    let all = daemon.api.get("/sessions").expect_status(200);
    assert_eq!(
        all.as_array().unwrap().len(),
        2,
        "a refused one leaves no record"
    );
    first.close();
    daemon.session_of(&template);
}

#[test]
fn an_idle_session_is_closed_and_a_busy_one_is_not() {
    let daemon = Daemon::start_with_args(&["--session-idle-timeout", "2s"]);
    let busy = daemon.session();
    // The execution takes longer than the idle timeout.
    let running = busy.start("await new Promise(done => setTimeout(done, 4000)); 'done'");
    let idle = daemon.session();
    wait_for("the idle session to be closed", || {
        (idle.record()["status"] == "closed").then_some(())
    });
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["result"]["preview"], "done", "{execution}");
    wait_for("the other session to be closed", || {
        (busy.record()["status"] == "closed").then_some(())
    });
    busy.submit("1").expect_error(409, "SESSION_NOT_READY");
    wait_for("the reason in the log", || {
        daemon
            .log()
            .contains("--session-idle-timeout")
            .then_some(())
    });
}

#[test]
fn a_time_without_a_unit_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = Daemon::serve_command(home.path());
    let said = output_of(serve.args(["--session-idle-timeout", "30"]));
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("like 90s, 30m"), "{}", said.stderr);
}

#[test]
fn a_body_may_be_as_large_as_max_body_says() {
    let daemon = Daemon::start_with_args(&["--max-body", "1000"]);
    let name = "n".repeat(100);
    daemon
        .api
        .post("/templates", &json!({"name": name}))
        .expect_status(201);
    let name = "n".repeat(1000);
    let answer = daemon.api.post("/templates", &json!({"name": name}));
    let answer = answer.expect_error(413, "PAYLOAD_TOO_LARGE");
    assert!(answer.message().contains("--max-body"), "{}", answer.text);
}

#[test]
fn silent_clients_do_not_disturb_others() {
    let daemon = Daemon::start();
    let address = daemon.server().trim_start_matches("http://").to_owned();
    let mut silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    for stream in &mut silent[..100] {
        stream
            .write_all(b"POST /api/v1/templates HTTP/1.1\r\nHost:")
            .unwrap();
    }
    daemon.api.get("/health").expect_status(200);
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

/// This test takes half a minute: the timeout of an idle connection, and of a missing body.
#[test]
fn a_client_that_stalls_is_disconnected() {
    let daemon = Daemon::start();
    let address = daemon.server().trim_start_matches("http://").to_owned();
    let mut head = TcpStream::connect(&address).unwrap();
    head.write_all(b"GET /api/v1/health HTTP/1.1\r\nHost:")
        .unwrap();
    let mut body = TcpStream::connect(&address).unwrap();
    let start = format!(
        "POST /api/v1/templates HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    body.write_all(start.as_bytes()).unwrap();
    let mut answer = String::new();
    // The connection ends, with or without an answer.
    let _ = head.read_to_string(&mut String::new());
    body.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("REQUEST_TIMEOUT"), "{answer}");
    assert!(
        answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
}
