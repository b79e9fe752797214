//! The destination and the format of the log.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use vm_system_tests::{Daemon, DaemonOptions, command, wait_for};

use crate::support::cli::output_of;

#[test]
fn a_daemon_logs_into_a_file_instead_of_standard_error() {
    let daemon = Daemon::start_with_args(&["--log-file", "own.log"]);
    daemon.api.get("/templates").expect_status(200);
    let path = daemon.home().join("own.log");
    let line = wait_for("a line of the log", || {
        let log = fs::read_to_string(&path).unwrap();
        let line = log.lines().find(|line| line.contains("/templates"))?;
        Some(line.to_owned())
    });
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(daemon.log(), "");
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // Host modules can't reach the log file, in any directory.
    let body = serde_json::json!({
        "template_id": daemon.template_with_modules(&["fs"]), "workspace_id": "w", "base_commit_oid": "c",
        "worktree_path": daemon.home(),
    });
    let session = daemon.api.post("/sessions", &body).expect_status(201);
    let session = daemon.session_with_id(session["id"].as_str().unwrap());
    let read = session.run("require('fs').readFileSync('own.log')");
    assert_eq!(read["status"], "error", "{read}");
    // Earlier lines of the log stay.
    let home = daemon.stop();
    let before = fs::read_to_string(&path).unwrap();
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        args: ["--log-file", "own.log", "--log-format", "text"]
            .map(String::from)
            .to_vec(),
        ..DaemonOptions::default()
    });
    daemon.api.get("/sessions").expect_status(200);
    let log = wait_for("a line of the log", || {
        let log = fs::read_to_string(&path).unwrap();
        log.get(before.len()..)?
            .contains("/sessions")
            .then_some(log)
    });
    assert!(log.starts_with(&before));
    let added = &log[before.len()..];
    assert!(
        !added.starts_with('{') && !added.contains('\u{1b}'),
        "{added}"
    );
}

#[test]
fn every_command_takes_the_flags_of_the_log() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "1");
    for command in [
        vec!["template", "list"],
        vec!["session", "get", &session.id],
        vec!["exec", "repl", &session.id, "1"],
        vec!["ops", "health"],
        vec!["libs", "list"],
        vec!["run", "worktree/a.js"],
        vec!["completions", "bash"],
        vec!["help"],
    ] {
        for flags in [
            vec!["--log-level", "fatal"],
            vec!["--log-level=FATAL", "--log-format", "text"],
            vec![
                "--log-file",
                "cli.log",
                "--log-format",
                "json",
                "--log-level",
                "trace",
            ],
            vec!["--log-file", "", "--log-format", "human"],
        ] {
            let before = [&flags[..], &command].concat();
            let behind = [&command[..], &flags].concat();
            for args in [before, behind] {
                let mut cli = daemon.cli(&args);
                cli.current_dir(daemon.home());
                let ran = output_of(&mut cli);
                assert_eq!((ran.status, &*ran.stderr), (0, ""), "{args:?}");
            }
        }
    }
    let log = fs::read_to_string(daemon.home().join("cli.log")).unwrap();
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    assert!(!log.is_empty());
}

#[test]
fn nothing_is_logged_at_the_level_fatal() {
    let daemon = Daemon::start_with_args(&["--log-level", "fatal"]);
    daemon.api.get("/templates").expect_status(200);
    daemon.session().eval("1");
    assert_eq!(daemon.log(), "");
}

#[test]
fn a_log_that_can_not_be_written_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        ["serve", "--log-file", "none/daemon.log"],
        ["help", "--log-file", "none/daemon.log"],
    ] {
        let ran = output_of(command().args(args).current_dir(home.path()));
        assert_eq!(ran.status, 1);
        let expected = "Error: cannot write the log to none/daemon.log: ";
        assert!(ran.stderr.starts_with(expected), "{}", ran.stderr);
    }
}
