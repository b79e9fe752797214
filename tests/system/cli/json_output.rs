//! `--output json` of all commands.

use vm_system_tests::Daemon;

use crate::cli::creation::create_session;
use crate::support::assertions::text;
use crate::support::cli::run_cli;

#[test]
fn json_output_is_the_unchanged_answer_of_the_api() {
    let daemon = Daemon::start();
    let made = run_cli(
        &daemon,
        &["--output", "json", "template", "create", "--name", "demo"],
    )
    .json();
    let id = text(&made, "id").to_owned();
    let session = create_session(&daemon, &id);
    let ran = run_cli(
        &daemon,
        &["exec", "repl", &session, "1", "--output", "json"],
    )
    .json();
    let execution = text(&ran, "id").to_owned();
    for (args, path) in [
        (vec!["template", "list"], "/templates".to_owned()),
        (vec!["template", "get", &id], format!("/templates/{id}")),
        (
            vec!["template", "list-startup", &id],
            format!("/templates/{id}/startup-files"),
        ),
        (vec!["session", "list"], "/sessions".to_owned()),
        (
            vec!["session", "get", &session],
            format!("/sessions/{session}"),
        ),
        (
            vec!["exec", "list", &session],
            format!("/executions?session_id={session}"),
        ),
        (
            vec!["exec", "get", &execution],
            format!("/executions/{execution}"),
        ),
        (
            vec!["exec", "events", &execution],
            format!("/executions/{execution}/events"),
        ),
    ] {
        let mut args = args;
        args.extend(["--output", "json"]);
        assert_eq!(
            run_cli(&daemon, &args).json(),
            daemon.api.get(&path).expect_status(200),
            "{args:?}"
        );
    }
    for args in [
        ["template", "list-available-modules"],
        ["template", "list-available-libraries"],
    ] {
        let mut args = args.to_vec();
        args.extend(["--output", "json"]);
        assert!(run_cli(&daemon, &args).json().is_array());
    }
}
