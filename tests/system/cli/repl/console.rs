//! The console at a terminal: editing, completion, history and Ctrl-C.

use vm_system_tests::{Daemon, Terminal, binary, wait_for};

use crate::support::console::{CTRL_C, CTRL_D, console_at, dumb_console_at, repl, shell_at_home};

const TAB: &str = "\t";

const UP: &str = "\u{1b}[A";

const LEFT: &str = "\u{1b}[D";

#[test]
fn code_of_several_lines_is_run_when_it_is_complete() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = console_at(&daemon, &session);
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
    let mut terminal = console_at(&daemon, &session);
    terminal.type_keys("kept = 2; console.log('be' + 'gun'); while (true);\r");
    terminal.wait_for_text("begun");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_text("Cancelling");
    terminal.wait_for_text("cancelled");
    terminal.wait_for_text("> ");
    terminal.type_keys("kept\r");
    terminal.wait_for_text("\n1\r\n");
    terminal.wait_for_text("> ");
    // At the prompt, Ctrl-C drops the typed text, and two in a row leave the console.
    terminal.type_keys("dropped");
    terminal.wait_for_text("dropped");
    drops_and_leaves(terminal);
}

/// Ctrl-C drops the typed text, which does not run, and two in a row leave the console.
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
    let mut terminal = dumb_console_at(&daemon, &session);
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
    let mut terminal = console_at(&daemon, &session);
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
    // White space of any kind may stand before and after the word.
    terminal.type_keys(" .type\u{3000}setti");
    terminal.type_keys(TAB);
    terminal.type_keys("\r");
    terminal.wait_for_text("\nobject\r\n");
}

#[test]
fn the_history_is_there_after_a_restart() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = console_at(&daemon, &session);
    terminal.type_keys("40 + 2\r");
    terminal.wait_for_text("\n42\r\n");
    terminal.type_keys("'the ' + 'last'\r");
    terminal.wait_for_text("\n'the last'\r\n");
    // The history does not need an orderly end of the terminal.
    drop(terminal);
    let mut terminal = console_at(&daemon, &session);
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
    let mut terminal = console_at(&daemon, &session);
    terminal.type_keys("'a line of some length'");
    terminal.wait_for_text("length'");
    terminal.resize(10);
    terminal.type_keys(".length + ");
    terminal.resize(120);
    terminal.type_keys("100\r");
    terminal.wait_for_text("\n121\r\n");
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
    let mut shell = shell_at_home("sh", daemon.home());
    shell
        .args([
            "-c",
            "exec \"$0\" repl --server-url \"$1\" \"$2\" 2>err.log",
        ])
        .arg(binary())
        .args([daemon.server(), &session.id])
        .env_remove("NO_COLOR");
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
