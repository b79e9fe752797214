//! `vm-system exec` at a terminal: events as they come, and Ctrl-C.

use nix::sys::signal::Signal;
use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::console::{CTRL_C, command_at_terminal};

#[test]
fn exec_prints_events_as_they_come_on_a_terminal() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "console.log('early'); await new Promise(done => setTimeout(done, 3000)); 7";
    let mut terminal = command_at_terminal(&daemon, &["exec", "repl", &session.id, code], 80);
    terminal.wait_for_text("[2] console: {\"level\":\"log\",\"text\":\"early\"}");
    assert!(
        !terminal.screen().contains("Status:"),
        "it is told before the end"
    );
    terminal.wait_for_text("Status: ok");
    terminal.wait_for_text("Result: {\"type\":\"number\",\"preview\":\"7\"");
    assert!(terminal.wait_for_exit().success());
}

#[test]
fn a_second_ctrl_c_leaves_the_execution_and_says_how_to_follow_it() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    let mut terminal =
        command_at_terminal(&daemon, &["exec", "repl", &session.id, "while (true);"], 80);
    terminal.wait_for_text("[1] input_echo");
    // While the daemon does not answer, the command handles both keys.
    daemon.signal(Signal::SIGSTOP);
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("Cancelling the execution");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("vm-system exec events ");
    assert_eq!(terminal.wait_for_exit().code(), Some(130));
    daemon.signal(Signal::SIGCONT);
}

#[test]
fn ctrl_c_cancels_its_own_execution_and_no_other() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    let mut terminal = command_at_terminal(
        &daemon,
        &["exec", "repl", &session.id, "1; while (true);"],
        80,
    );
    terminal.wait_for_text("[1] input_echo");
    let other = daemon.session_with_long_limits();
    let running = json!({"session_id": other.id, "input": "2; while (true);", "wait_ms": 0});
    let running = daemon
        .api
        .post("/executions/repl", &running)
        .expect_status(202);
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("Status: cancelled");
    assert_eq!(terminal.wait_for_exit().code(), Some(130));
    let path = format!("/executions/{}", running["id"].as_str().unwrap());
    assert_eq!(
        daemon.api.get(&path).expect_status(200)["status"],
        "running"
    );
}
