//! Concurrent clients, and clients that disconnect.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;
use vm_system_tests::{Daemon, wait_for};

use crate::support::assertions::column;

#[test]
fn an_execution_goes_on_though_its_client_disconnects() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "await new Promise(done => setTimeout(done, 2000)); globalThis.done = 7";
    let body = json!({"session_id": session.id, "input": code}).to_string();
    let address = daemon.server().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/v1/executions/repl HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    wait_for("the execution to run", || {
        (!session.executions().is_empty()).then_some(())
    });
    drop(stream);
    wait_for("the end of the execution", || {
        (session.executions()[0]["status"] != "running").then_some(())
    });
    assert_eq!(session.executions()[0]["status"], "ok");
    assert_eq!(session.eval("done"), "7");
}

#[test]
fn sessions_do_not_wait_for_each_other_and_one_runs_one_thing_at_a_time() {
    let daemon = Daemon::start();
    let (busy, other) = (daemon.session_with_long_limits(), daemon.session());
    let running = busy.start("while (true);");
    assert_eq!(other.eval("6 * 7"), "42");
    assert_eq!(daemon.session().eval("6 * 7"), "42");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| busy.submit("1").expect_error(409, "SESSION_BUSY"));
        }
    });
    busy.close();
    running.join().unwrap().expect_status(201);
    assert_eq!(busy.executions().len(), 1);
}

#[test]
fn many_sessions_can_be_made_and_used_at_once() {
    let daemon = Daemon::start();
    let template = daemon.template();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (daemon, template) = (&daemon, &template);
            scope.spawn(move || {
                let session = daemon.session_of(template);
                session.eval(&format!("globalThis.x = {number}"));
                assert_eq!(session.eval("x"), number.to_string());
            });
        }
    });
    let ready = daemon.api.get("/sessions?status=ready").expect_status(200);
    assert_eq!(column(&ready, "id").len(), 16);
}
