//! The console at a terminal: editing, completion, history and Ctrl-C.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use vm_system_tests::{Daemon, Process, Session, Terminal, binary, command, wait_for};

/// Keys.
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const LEFT: &str = "\u{1b}[D";

/// `vm-system repl` in a home of its own.
pub fn repl(home: &Path, args: &[&str]) -> Command {
    let mut repl = command();
    repl.arg("repl")
        .args(args)
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .env("NO_COLOR", "1")
        .current_dir(home);
    repl
}

/// The same, at a session of a daemon.
pub fn repl_at(daemon: &Daemon, session: &Session) -> Terminal {
    let args = ["--server-url", daemon.server(), &session.id];
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal
}

/// Another command at a terminal of that many columns.
fn cli(daemon: &Daemon, args: &[&str], columns: u16) -> Terminal {
    let mut cli = daemon.cli(args);
    cli.env("NO_COLOR", "1");
    Terminal::start(cli, columns)
}

#[test]
fn a_console_without_a_daemon_starts_one_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--server-url", "http://127.0.0.1:1"];
    let mut terminal = Terminal::start(repl(home.path(), &args), 80);
    terminal.wait_for_text(
        "There is no daemon at http://127.0.0.1:1: this console has one of its own.",
    );
    terminal.wait_for_text("> ");
    terminal.type_keys("6 * 7\r");
    terminal.wait_for_text("\n42\r\n");
    // Keys that are typed before the console reads again may be taken for nothing.
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    assert!(terminal.wait_for_exit().success());
}

#[test]
fn code_of_several_lines_is_run_when_it_is_complete() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys("function f(n) {\r");
    terminal.type_keys("return n * 2\r");
    terminal.type_keys("}\r");
    terminal.wait_for_text("\nundefined\r\n");
    terminal.type_keys("f(21)\r");
    terminal.wait_for_text("\n42\r\n");
    terminal.type_keys("'it' + LEFT\r");
    terminal.wait_for_text("ReferenceError: LEFT is not defined");
    terminal.type_keys(".exit\r");
    assert!(terminal.wait_for_exit().success());
    assert_eq!(
        session.eval("f(4)"),
        "8",
        "the session was not made for the console"
    );
}

#[test]
fn console_output_comes_before_the_end_and_ctrl_c_cancels() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("kept = 1");
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys("kept = 2; console.log('be' + 'gun'); while (true);\r");
    terminal.wait_for_text("begun");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("Cancelling");
    terminal.wait_for_text("cancelled");
    terminal.wait_for_text("> ");
    terminal.type_keys("kept\r");
    terminal.wait_for_text("\n1\r\n");
    terminal.wait_for_text("> ");
    // At the prompt it drops what was typed, and leaves when it comes twice.
    terminal.type_keys("dropped");
    terminal.wait_for_text("dropped");
    drops_and_leaves(terminal);
}

/// Ctrl-C drops what was typed, which does not run, and leaves when it comes twice.
fn drops_and_leaves(mut terminal: Terminal) {
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("To leave");
    terminal.wait_for_text("> ");
    terminal.type_keys("'go' + 'es on'\r");
    terminal.wait_for_text("\n'goes on'\r\n");
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("To leave");
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_C);
    assert!(terminal.wait_for_exit().success());
}

#[test]
fn ctrl_c_drops_typed_text_also_where_lines_can_not_be_edited() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut dumb = Command::new("env");
    dumb.arg("TERM=dumb")
        .arg(binary())
        .args(["repl", "--server-url", daemon.server(), &session.id])
        .env("HOME", daemon.home())
        .current_dir(daemon.home());
    let mut terminal = Terminal::start(dumb, 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("console.log('be' + 'gun'); while (true);\r");
    terminal.wait_for_text("begun");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("cancelled");
    terminal.wait_for_text("> ");
    terminal.type_keys("1 + 1\r");
    terminal.wait_for_text("\n2\r\n");
    assert!(
        !terminal.screen().contains("To leave"),
        "it was for what ran"
    );
    terminal.wait_for_text("> ");
    let asked = || daemon.log().matches("/is-complete").count();
    let before = asked();
    terminal.type_keys("function f() {\r");
    wait_for("the line to be taken", || (asked() > before).then_some(()));
    drops_and_leaves(terminal);
}

#[test]
fn tab_completes_from_the_session() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("const settings = {alphabet: 'abc', alphanumeric: 2}; 1");
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys("setti");
    terminal.type_keys(TAB);
    terminal.wait_for_text("settings");
    terminal.type_keys(".al");
    terminal.type_keys(TAB);
    terminal.wait_for_text("alpha");
    terminal.type_keys("b");
    terminal.type_keys(TAB);
    terminal.wait_for_text("alphabet");
    terminal.type_keys(".length\r");
    terminal.wait_for_text("\n3\r\n");
    terminal.type_keys(".he");
    terminal.type_keys(TAB);
    terminal.type_keys("\r");
    terminal.wait_for_text("show this");
    // Blanks of any kind stand before and behind the word.
    terminal.type_keys(" .type\u{3000}setti");
    terminal.type_keys(TAB);
    terminal.type_keys("\r");
    terminal.wait_for_text("\nobject\r\n");
}

#[test]
fn the_history_is_there_after_a_restart() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys("40 + 2\r");
    terminal.wait_for_text("\n42\r\n");
    terminal.type_keys("'the ' + 'last'\r");
    terminal.wait_for_text("\n'the last'\r\n");
    // The history does not need an orderly end of the terminal.
    drop(terminal);
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys(UP);
    terminal.wait_for_text("'the ' + 'last'");
    terminal.type_keys(UP);
    terminal.wait_for_text("40 + 2");
    terminal.type_keys(LEFT);
    terminal.type_keys("1\r");
    terminal.wait_for_text("\n52\r\n");
}

#[test]
fn there_is_no_history_if_its_file_has_no_name() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let args = ["--server-url", daemon.server(), &session.id];
    let mut by_flag = repl(daemon.home(), &args);
    by_flag.args(["--history", ""]);
    let mut by_variable = repl(daemon.home(), &args);
    by_variable.env("VM_SYSTEM_HISTORY", "");
    for command in [by_flag, by_variable] {
        let mut terminal = Terminal::start(command, 80);
        terminal.wait_for_text("> ");
        terminal.type_keys("40 + 2\r");
        terminal.wait_for_text("\n42\r\n");
        terminal.wait_for_text("> ");
        terminal.type_keys(CTRL_D);
        assert!(terminal.wait_for_exit().success());
        assert!(!daemon.home().join(".local").exists());
    }
}

#[test]
fn a_line_that_is_being_typed_survives_another_width() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = repl_at(&daemon, &session);
    terminal.type_keys("'a line of some length'");
    terminal.wait_for_text("length'");
    terminal.resize(10);
    terminal.type_keys(".length + ");
    terminal.resize(120);
    terminal.type_keys("100\r");
    terminal.wait_for_text("\n121\r\n");
}

#[test]
fn a_console_reports_that_its_session_is_gone() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = repl_at(&daemon, &session);
    session.close();
    terminal.type_keys("1\r");
    terminal.wait_for_text("SESSION_NOT_READY");
    assert_eq!(terminal.wait_for_exit().code(), Some(1));
}

#[test]
fn a_session_that_was_made_for_the_console_is_closed_with_it() {
    let daemon = Daemon::start();
    let args = ["--server-url", daemon.server()];
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("require.name\r");
    terminal.wait_for_text("'require'");
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    assert!(terminal.wait_for_exit().success());
    let sessions = daemon.api.get("/sessions").expect_status(200);
    assert_eq!(sessions[0]["status"], "closed");
    assert_eq!(sessions[0]["workspace_id"], "repl");
    // The next one uses the template that is there.
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    assert!(terminal.wait_for_exit().success());
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
fn values_and_code_are_coloured_where_colours_are_welcome() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let args = ["--server-url", daemon.server(), &session.id];
    let mut command = repl(daemon.home(), &args);
    command.env_remove("NO_COLOR");
    let mut terminal = Terminal::start(command, 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("let a = 'b' + 1\r");
    terminal
        .wait_for_text("\u{1b}[36mlet\u{1b}[0m a = \u{1b}[32m'b'\u{1b}[0m + \u{1b}[33m1\u{1b}[0m");
    terminal.wait_for_text("undefined");
    terminal.type_keys("a\r");
    terminal.wait_for_text("\u{1b}[32m'b1'\u{1b}[0m");
}

#[test]
fn a_stream_that_is_no_terminal_has_no_colours() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "exec \"$0\" repl --server-url \"$1\" \"$2\" 2>err.log",
        ])
        .arg(binary())
        .args([daemon.server(), &session.id])
        .env("HOME", daemon.home())
        .env_remove("NO_COLOR")
        .current_dir(daemon.home());
    let mut terminal = Terminal::start(shell, 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("console.error('to a file'); 7\r");
    terminal.wait_for_text("\n\u{1b}[33m7\u{1b}[0m\r\n");
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    assert!(terminal.wait_for_exit().success());
    let said = std::fs::read_to_string(daemon.home().join("err.log")).unwrap();
    assert_eq!(said, "to a file\n");
}

#[test]
fn exec_prints_events_as_they_come_on_a_terminal() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "console.log('early'); await new Promise(done => setTimeout(done, 3000)); 7";
    let mut terminal = cli(&daemon, &["exec", "repl", &session.id, code], 80);
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
    let mut terminal = cli(&daemon, &["exec", "repl", &session.id, "while (true);"], 80);
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
    let mut terminal = cli(
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

#[test]
fn tables_fit_the_terminal_and_short_ids_are_understood() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let session = daemon.session_of(&template);
    let mut terminal = cli(&daemon, &["session", "list"], 60);
    let short = &session.id[..8];
    terminal.wait_for_text(&format!("{short}  "));
    assert!(terminal.wait_for_exit().success());
    let screen = terminal.screen();
    assert!(
        screen
            .lines()
            .all(|line| line.trim_end().chars().count() <= 60),
        "{screen}"
    );
    let mut terminal = cli(&daemon, &["session", "get", short], 80);
    terminal.wait_for_text(&format!("Session ID: {}", session.id));
    wait_for("the command to end", || {
        terminal.wait_for_exit().success().then_some(())
    });
}

#[test]
fn a_console_that_is_terminated_closes_the_session_made_for_it() {
    let daemon = Daemon::start();
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let args = ["--server-url", daemon.server()];
        let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
        terminal.wait_for_text("> ");
        kill(Pid::from_raw(terminal.pid()), signal).unwrap();
        assert_eq!(terminal.wait_for_exit().code(), Some(128 + signal as i32));
        let sessions = daemon.api.get("/sessions").expect_status(200);
        assert_eq!(sessions[0]["status"], "closed", "{signal}");
    }
}

/// Whether a process has a handler for Ctrl-C.
fn handles_ctrl_c(pid: u32) -> bool {
    let pid = i32::try_from(pid).unwrap();
    let handled = u64::from_str_radix(&Process::status(pid, "SigCgt"), 16).unwrap();
    handled & 1 << (Signal::SIGINT as i32 - 1) != 0
}

#[test]
fn a_console_that_is_interrupted_while_its_session_is_made_closes_it() {
    let daemon = Daemon::start();
    daemon.signal(Signal::SIGSTOP);
    let mut console = repl(daemon.home(), &["--server-url", daemon.server()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the console to handle signals", || {
        handles_ctrl_c(console.id()).then_some(())
    });
    kill(Pid::from_raw(console.id().cast_signed()), Signal::SIGINT).unwrap();
    daemon.signal(Signal::SIGCONT);
    let status = wait_for("the console to end", || console.try_wait().unwrap());
    assert_eq!(status.code(), Some(130));
    let sessions = daemon.api.get("/sessions").expect_status(200);
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["status"], "closed");
}

/// Pipes a text into a console; what it prints, what it says, and its status.
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
    // It may have enough before the end.
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
