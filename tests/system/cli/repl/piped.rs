//! Code that is piped into a console.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vm_system_tests::{Daemon, Session, wait_for};

use crate::support::console::repl;

/// Pipes a text into a console; returns its standard output, its standard error and its status.
fn piped(daemon: &Daemon, session: &Session, text: &str) -> (String, String, Option<i32>) {
    let mut console = repl(
        daemon.home(),
        &["--server-url", daemon.server(), &session.id],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    // The console may end before it has read the whole text.
    let _ = console.stdin.take().unwrap().write_all(text.as_bytes());
    let output = console.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

#[test]
fn piped_code_is_run_to_the_last_line() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "function f() {\n  return 7\n}\nf()\nconsole.warn('careful')\n";
    let (out, err, status) = piped(&daemon, &session, code);
    assert_eq!(out, "undefined\n7\nundefined\n");
    assert_eq!(err, "careful\n");
    assert_eq!(status, Some(0));
    let (out, _, status) = piped(&daemon, &session, "1\nfunction g() {\n");
    assert!(out.starts_with("1\nSyntaxError"), "{out}");
    assert_eq!(status, Some(1));
    let (out, _, status) = piped(&daemon, &session, "throw new Error('no')\n2\n");
    assert!(
        out.starts_with("Error: no") && out.ends_with("2\n"),
        "{out}"
    );
    assert_eq!(status, Some(1));
    let (_, _, status) = piped(&daemon, &session, "throw new Error('no')\n.exit\n");
    assert_eq!(status, Some(1));
    let (out, _, status) = piped(&daemon, &session, "1\n.exit\n2\n");
    assert_eq!((out.as_str(), status), ("1\n", Some(0)));
}

#[test]
fn piped_code_is_run_to_the_last_line_also_when_the_output_is_closed() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let (_, closed_pipe) = std::io::pipe().unwrap();
    let args = ["--server-url", daemon.server(), &session.id];
    let mut console = repl(daemon.home(), &args)
        .stdin(Stdio::piped())
        .stdout(closed_pipe)
        .spawn()
        .unwrap();
    let mut input = console.stdin.take().unwrap();
    input.write_all(b"throw 1\n'said'\nvar last = 2\n").unwrap();
    drop(input);
    assert_eq!(console.wait().unwrap().code(), Some(1));
    assert_eq!(session.eval("last"), "2");
}

#[test]
fn a_long_function_that_is_piped_is_one_piece() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let line = "  n += `${'}'.length}`.length; // {\n";
    let code = format!(
        "function f(n) {{\n{}  return n\n}}\nf(0)\n",
        line.repeat(1000)
    );
    let (out, err, status) = piped(&daemon, &session, &code);
    assert_eq!(out, "undefined\n1000\n");
    assert_eq!((err.as_str(), status), ("", Some(0)));
}

#[test]
fn piped_code_that_is_too_long_to_check_is_not_run_in_part() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let comment = format!("// {}\n", "-".repeat(1000));
    let code = format!("function f() {{\n{}mark = 1\n}}\n", comment.repeat(3000));
    let (out, err, status) = piped(&daemon, &session, &code);
    assert_eq!(out, "");
    assert!(err.starts_with("Error: VALIDATION_ERROR: "), "{err}");
    assert_eq!(status, Some(1));
    assert_eq!(session.eval("typeof mark"), "undefined");
}

#[test]
fn ctrl_c_ends_a_console_that_is_piped_into() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut console = repl(
        daemon.home(),
        &["--server-url", daemon.server(), &session.id],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut input = console.stdin.take().unwrap();
    input.write_all(b"1 + 1\n").unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(console.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "2\n");
    kill(Pid::from_raw(console.id().cast_signed()), Signal::SIGINT).unwrap();
    let status = wait_for("the console to end", || console.try_wait().unwrap());
    assert_eq!(status.code(), Some(130));
}
