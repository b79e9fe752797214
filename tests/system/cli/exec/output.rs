//! The lines and exit statuses of `vm-system exec`.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm_system_tests::{Daemon, wait_for};

use crate::support::cli::{CliOutput, run_cli};

/// The lines of an execution, in the order of the contract.
fn assert_execution_lines(ran: &CliOutput, outcome: &str, events: &[&str]) -> String {
    let lines = ran.lines();
    let id = lines[0].strip_prefix("Execution ID: ").expect(lines[0]);
    assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
    assert!(lines[2].starts_with(outcome), "{lines:?}");
    assert_eq!(lines[3..5], ["", "Events:"], "{lines:?}");
    let shown = &lines[5..];
    assert_eq!(shown.len(), events.len(), "{lines:?}");
    for (line, expected) in shown.iter().zip(events) {
        assert!(line.starts_with(expected), "{line:?} is not {expected:?}");
    }
    id.to_owned()
}

#[test]
fn a_snippet_may_have_lower_limits() {
    let daemon = Daemon::start();
    let session = daemon.session().id;
    let args = ["exec", "repl", &session, "while (true);", "--wall-ms", "50"];
    let ran = run_cli(&daemon, &args);
    assert_eq!(ran.lines()[1], "Status: timeout");
    assert!(ran.stdout.contains("50 ms (wall_ms)"), "{}", ran.stdout);
    let refused = run_cli(
        &daemon,
        &["exec", "repl", &session, "1", "--wall-ms", "50000"],
    );
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.contains("at most 5000"),
        "{}",
        refused.stderr
    );
}

#[test]
fn interrupting_the_command_cancels_the_execution() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    session.eval("x = 1");
    let command = daemon
        .cli(&[
            "exec",
            "repl",
            &session.id,
            "x = 2; while (true);",
            "--cpu-ms",
            "60000",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the execution to run", || {
        (session.executions()[0]["status"] == "running").then_some(())
    });
    kill(Pid::from_raw(command.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = command.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("Status: cancelled"), "{stdout}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("Cancelling the execution"), "{stderr}");
    assert_eq!(session.eval("x"), "1");
}

#[test]
fn a_command_with_a_closed_standard_error_cancels_its_execution_too() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    session.eval("1");
    let (_, closed_pipe) = std::io::pipe().unwrap();
    let mut command = daemon
        .cli(&["exec", "repl", &session.id, "while (true);"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(closed_pipe)
        .spawn()
        .unwrap();
    wait_for("the execution to run", || {
        (session.executions()[0]["status"] == "running").then_some(())
    });
    kill(Pid::from_raw(command.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(command.wait().unwrap().code(), Some(130));
    assert_eq!(session.executions()[0]["status"], "cancelled");
}

#[test]
fn a_snippet_is_printed_with_its_result_and_its_events() {
    let daemon = Daemon::start();
    let session = daemon.session().id;
    let ran = run_cli(
        &daemon,
        &["exec", "repl", &session, "console.log('a', 1); 42"],
    );
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(ran.lines()[1], "Status: ok");
    let id = assert_execution_lines(
        &ran,
        "Result: {",
        &[
            "[1] input_echo: {\"text\":",
            "[2] console: {",
            "[3] value: {",
        ],
    );
    let lines = ran.lines();
    let result: Value = serde_json::from_str(&lines[2]["Result: ".len()..]).unwrap();
    assert_eq!(
        result,
        json!({"type": "number", "preview": "42", "json": 42})
    );
    assert!(lines[2].contains("\"preview\":\"42\""), "{}", lines[2]);
    assert!(lines[6].contains("\"text\":\"a 1\""), "{}", lines[6]);
    let got = run_cli(&daemon, &["exec", "get", &id]);
    let record = got.lines();
    assert_eq!(record[..3], lines[..3]);
    assert_eq!(record[3], format!("Session ID: {session}"));
    assert_eq!(record[4], "Kind: repl");
    for (line, label) in [(record[5], "Started: "), (record[6], "Ended: ")] {
        let moment = line.strip_prefix(label).expect(line);
        // The time is in RFC 3339, to the second.
        assert!(moment.len() == 20 && moment.ends_with('Z'), "{line}");
    }
    assert!(record[7].starts_with("Input: "), "{}", record[7]);
    assert_eq!(record[8..], lines[3..]);
    let events = run_cli(&daemon, &["exec", "events", &id]);
    assert_eq!(events.lines(), lines[5..]);
    let later = run_cli(&daemon, &["exec", "events", &id, "--after-seq", "2"]);
    assert_eq!(later.lines(), lines[7..]);
    let listed = run_cli(&daemon, &["exec", "list", &session, "--limit", "1"]).ok();
    assert!(listed.contains(&id), "{listed}");
}

#[test]
fn a_snippet_that_fails_exits_with_0_unless_it_is_to_be_checked() {
    let daemon = Daemon::start();
    let session = daemon.session().id;
    let ran = run_cli(&daemon, &["exec", "repl", &session, "x"]);
    assert_eq!(ran.status, 0);
    assert_eq!(ran.lines()[1], "Status: error");
    let id = assert_execution_lines(&ran, "Error: {", &["[1] input_echo: ", "[2] exception: {"]);
    assert!(ran.lines()[2].contains("ReferenceError: x is not defined at repl:1:1"));
    let checked = run_cli(&daemon, &["exec", "repl", &session, "x", "--check"]);
    assert_eq!(checked.status, 1);
    assert_execution_lines(
        &checked,
        "Error: {",
        &["[1] input_echo: ", "[2] exception: {"],
    );
    assert_eq!(run_cli(&daemon, &["exec", "get", &id, "--check"]).status, 1);
    assert_eq!(
        run_cli(&daemon, &["exec", "repl", &session, "1", "--check"]).status,
        0
    );
    daemon.write("bad.js", "throw 1");
    assert_eq!(
        run_cli(&daemon, &["exec", "run-file", &session, "bad.js"]).status,
        0
    );
    assert_eq!(
        run_cli(
            &daemon,
            &["exec", "run-file", &session, "bad.js", "--check"]
        )
        .status,
        1
    );
}

#[test]
fn a_timeout_exits_with_0_unless_it_is_to_be_checked() {
    let daemon = Daemon::start();
    let session = daemon.session().id;
    let ran = run_cli(
        &daemon,
        &["exec", "repl", &session, "while (true);", "--check"],
    );
    assert_eq!(ran.status, 1);
    assert_eq!(ran.lines()[1], "Status: timeout");
    let id = ran.lines()[0]["Execution ID: ".len()..].to_owned();
    assert_eq!(run_cli(&daemon, &["exec", "get", &id]).status, 0);
}

#[test]
fn a_file_gets_its_arguments_and_its_environment() {
    let daemon = Daemon::start();
    let session = daemon.session().id;
    daemon.write("a.js", "__ARGS__.n + __ENV__.HOME");
    let more = [
        "exec",
        "run-file",
        &session,
        "a.js",
        "--args",
        "{\"n\":1}",
        "--env",
        "{\"HOME\":\"h\"}",
    ];
    let ran = run_cli(&daemon, &more);
    assert!(
        ran.lines()[2].contains("\"preview\":\"1h\""),
        "{}",
        ran.stdout
    );
    assert!(
        ran.lines()[5].contains("{\"text\":\"a.js\"}"),
        "{}",
        ran.stdout
    );
    let outside = run_cli(&daemon, &["exec", "run-file", &session, "../a.js"]);
    assert!(
        outside.error(1).contains("INVALID_PATH"),
        "{}",
        outside.stderr
    );
    assert!(outside.stdout.is_empty(), "{}", outside.stdout);
}

#[test]
fn the_record_of_an_execution_has_its_code_or_its_path_on_one_line() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("lib/a b.js", "7");
    for (code, shown) in [
        ("6 * 7", "6 * 7"),
        ("'ä'  + \"b\"", "'ä'  + \"b\""),
        ("6 *\n7", r#""6 *\n7""#),
        ("`a\r\n\tb\\``", r#""`a\r\n\tb\\``""#),
    ] {
        let execution = session.run(code);
        let id = execution["id"].as_str().unwrap();
        let got = run_cli(&daemon, &["exec", "get", id]);
        let expected = format!("Input: {shown}");
        assert!(got.lines().contains(&&*expected), "{}", got.stdout);
    }
    let ran = run_cli(&daemon, &["exec", "run-file", &session.id, "lib/a b.js"]);
    let id = ran.lines()[0].strip_prefix("Execution ID: ").unwrap();
    let got = run_cli(&daemon, &["exec", "get", id]);
    assert_eq!(got.lines()[4], "Kind: run_file");
    assert_eq!(got.lines()[7..9], ["Path: lib/a b.js", ""]);
}
