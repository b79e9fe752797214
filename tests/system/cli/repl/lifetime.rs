//! The session of a console: created for it, kept while it runs, and closed at its end.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vm_system_tests::{Daemon, Process, Session, Terminal, command, wait_for};

use crate::support::cli::output_of;
use crate::support::console::{CTRL_D, console_at, repl};
use crate::support::follower_timeout::{session_with_follower_timeout, status, wait_until_closed};

/// The sessions that consoles have created.
fn own_sessions(daemon: &Daemon) -> Vec<Session> {
    let all = daemon.api.get("/sessions").expect_status(200);
    let own = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["workspace_id"] == "repl");
    own.map(|session| daemon.session_with_id(session["id"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_session_of_a_killed_console_is_closed_and_no_other() {
    let daemon = Daemon::start();
    let others = daemon.session_with_long_limits();
    let start = |args: &[&str]| {
        let args = [&["--server-url", daemon.server()], args].concat();
        let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
        terminal.wait_for_text("> ");
        terminal
    };
    let own = start(&["--linger", "1s"]);
    let mut busy = start(&["--linger", "1s"]);
    let mut kept = start(&["--linger", "1s"]);
    let at_others = start(&[&others.id]);
    busy.type_keys("console.log('be' + 'gun'); while (true);\r");
    busy.wait_for_text("begun");
    assert_eq!(own_sessions(&daemon).len(), 3);
    for terminal in [&own, &busy, &at_others] {
        kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
    }
    wait_for("two of the sessions to be closed", || {
        let closed = own_sessions(&daemon)
            .iter()
            .filter(|session| status(session) == "closed")
            .count();
        (closed == 2).then_some(())
    });
    assert_eq!(status(&others), "ready");
    kept.type_keys("6 * 7\r");
    kept.wait_for_text("\n42\r\n");
    // The terminal is closed.
    drop(kept);
    for session in own_sessions(&daemon) {
        wait_until_closed(&session);
    }
    assert_eq!(status(&others), "ready");
}

#[test]
fn a_console_keeps_its_session_beyond_the_time_that_it_may_be_gone() {
    let daemon = Daemon::start();
    let args = ["--server-url", daemon.server(), "--linger", "1s"];
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("kept = 41\r");
    terminal.wait_for_text("\n41\r\n");
    wait_until_closed(&session_with_follower_timeout(
        &daemon,
        &daemon.template(),
        2500,
    ));
    terminal.type_keys("kept + 1\r");
    terminal.wait_for_text("\n42\r\n");
}

#[test]
fn the_linger_time_of_a_console_is_sixty_seconds_by_default() {
    let help = output_of(command().args(["repl", "--help"])).ok();
    let (_, linger) = help.split_once("--linger").unwrap();
    assert!(linger.contains("[default: 60s]"), "{help}");
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
    // Keys that are typed before the console reads again may be dropped.
    terminal.wait_for_text("> ");
    terminal.type_keys(CTRL_D);
    assert!(terminal.wait_for_exit().success());
}

#[test]
fn a_console_reports_that_its_session_is_gone() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let mut terminal = console_at(&daemon, &session);
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
    // The next console uses the template that exists.
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
