//! Usage errors, help, global flags, and errors of the daemon.

use vm_system_tests::Daemon;

use crate::support::cli::{command_in, output_of};

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn an_invalid_command_line_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for args in [
        &[] as &[&str],
        &["nonsense"],
        &["template"],
        &["template", "create"],
        &["template", "get"],
        &["session", "create", "--template-id", UNKNOWN_ID],
        &["session", "list", "--status", "open"],
        &["exec", "repl", UNKNOWN_ID],
        &["exec", "list", UNKNOWN_ID, "--limit", "0"],
        &["exec", "run-file", UNKNOWN_ID, "a.js", "--args", "[]"],
        &["exec", "run-file", UNKNOWN_ID, "a.js", "--args", "{"],
        &["ops", "health", "--output", "yaml"],
        &["ops", "health", "--server-url", "no url"],
        &["--colour", "ops", "health"],
        &["run"],
    ] {
        let ran = output_of(&mut command_in(directory.path(), args));
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn a_usage_error_is_named_on_standard_error() {
    let ran = output_of(&mut command_in(
        tempfile::tempdir().unwrap().path(),
        &["ops", "health", "--outputt", "json"],
    ));
    assert!(ran.error(2).contains("--outputt"), "{}", ran.stderr);
}

#[test]
fn help_and_version_are_no_errors() {
    let directory = tempfile::tempdir().unwrap();
    for (args, part) in [
        (&["--help"] as &[&str], "serve"),
        (&["--version"], "vm-system "),
        (&["template", "--help"], "add-startup"),
        (&["template", "create", "--help"], "Example"),
        (&["session", "create", "--help"], "Example"),
        (&["exec", "repl", "--help"], "Example"),
        (&["serve", "--help"], "127.0.0.1:3210"),
        (&["run", "--help"], "Example"),
    ] {
        let help = output_of(&mut command_in(directory.path(), args)).ok();
        assert!(help.contains(part), "{args:?}: {help}");
    }
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    let daemon = Daemon::start();
    let url = daemon.server();
    for args in [
        &[
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
            "ops",
            "health",
        ],
        &[
            "ops",
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
            "health",
        ],
        &[
            "ops",
            "health",
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
        ],
    ] {
        let health = output_of(&mut command_in(daemon.home(), args)).line();
        assert_eq!(health, r#"{"status":"ok"}"#, "{args:?}");
    }
    assert!(!daemon.home().join("x.db").exists());
}

#[test]
fn an_unreachable_daemon_is_reported_as_such() {
    let url = "http://127.0.0.1:1";
    let expected =
        format!("Error: cannot reach the daemon at {url}: is \"vm-system serve\" running?\n");
    for command in [
        &["ops", "health"] as &[&str],
        &["template", "list"],
        &["exec", "repl", UNKNOWN_ID, "1"],
    ] {
        let mut args = vec!["--server-url", &url];
        args.extend(command);
        let ran = output_of(&mut command_in(tempfile::tempdir().unwrap().path(), &args));
        assert_eq!(ran.error(1), expected);
    }
}

#[test]
fn a_refusal_of_the_daemon_is_printed_with_its_code() {
    let daemon = Daemon::start();
    for (args, code) in [
        (
            &["template", "get", UNKNOWN_ID] as &[&str],
            "TEMPLATE_NOT_FOUND",
        ),
        (&["template", "get", "x"], "VALIDATION_ERROR"),
        (&["session", "get", UNKNOWN_ID], "SESSION_NOT_FOUND"),
        (&["exec", "get", UNKNOWN_ID], "EXECUTION_NOT_FOUND"),
        (
            &["template", "create", "--name", "a", "--engine", "v8"],
            "ENGINE_UNSUPPORTED",
        ),
    ] {
        for format in ["text", "json"] {
            let ran = output_of(daemon.cli(args).args(["--output", format]));
            assert!(ran.error(1).contains(code), "{args:?}: {}", ran.stderr);
        }
    }
}
