//! `vm-system session`.

use vm_system_tests::{Daemon, wait_for};

use crate::cli::creation::{create_session, create_template};
use crate::support::cli::run_cli;
use crate::support::console::command_at_terminal;

#[test]
fn tables_fit_the_terminal_and_short_ids_are_understood() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let session = daemon.session_of(&template);
    let mut terminal = command_at_terminal(&daemon, &["session", "list"], 60);
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
    let mut terminal = command_at_terminal(&daemon, &["session", "get", short], 80);
    terminal.wait_for_text(&format!("Session ID: {}", session.id));
    wait_for("the command to end", || {
        terminal.wait_for_exit().success().then_some(())
    });
}

#[test]
fn sessions_are_made_listed_shown_and_closed() {
    let daemon = Daemon::start();
    let id = create_session(&daemon, &create_template(&daemon, "demo"));
    assert!(run_cli(&daemon, &["session", "list"]).ok().contains(&id));
    assert!(
        run_cli(&daemon, &["session", "list", "--status", "ready"])
            .ok()
            .contains(&id)
    );
    assert!(
        !run_cli(&daemon, &["session", "list", "--status", "closed"])
            .ok()
            .contains(&id)
    );
    let shown = run_cli(&daemon, &["session", "get", &id]).ok();
    assert!(shown.contains(&id) && shown.contains("ready"), "{shown}");
    for _ in 0..2 {
        let closed = run_cli(&daemon, &["session", "close", &id]);
        assert_eq!(closed.line(), format!("Closed session: {id}"));
    }
    let refused = run_cli(&daemon, &["exec", "repl", &id, "1"]);
    assert!(
        refused.error(1).contains("SESSION_NOT_READY"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_empty_filter_filters_nothing() {
    let daemon = Daemon::start();
    let id = create_session(&daemon, &create_template(&daemon, "demo"));
    for args in [
        &["session", "list", "--status", ""] as &[&str],
        &["session", "list", "--status="],
    ] {
        assert!(run_cli(&daemon, args).ok().contains(&id), "{args:?}");
    }
    let closed = run_cli(&daemon, &["session", "list", "--status", "closed"]).ok();
    assert_eq!(closed, "No sessions.\n");
}
