//! The command line against a real daemon: its exact lines, its exit statuses.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::assertions::text;
use crate::support::cli::{CliOutput, output_of};

fn cli(daemon: &Daemon, args: &[&str]) -> CliOutput {
    output_of(&mut daemon.cli(args))
}

/// Makes a template; returns its id.
fn create_template(daemon: &Daemon, name: &str) -> String {
    let line = cli(daemon, &["template", "create", "--name", name]).line();
    let id = line.strip_prefix(&format!("Created template: {name} (ID: "));
    id.and_then(|id| id.strip_suffix(')'))
        .expect(&line)
        .to_owned()
}

/// Makes a session on the daemon's worktree; returns its id.
fn create_session(daemon: &Daemon, template: &str) -> String {
    let worktree = daemon.worktree();
    let made = cli(
        daemon,
        &[
            "session",
            "create",
            "--template-id",
            template,
            "--workspace-id",
            "w",
            "--base-commit",
            "c",
            "--worktree-path",
            worktree.to_str().unwrap(),
        ],
    );
    let lines = made.lines();
    assert_eq!(
        lines[1..],
        [
            "Status: ready",
            &format!("Template ID: {template}"),
            "Workspace ID: w",
            "Base Commit: c",
            &format!("Worktree Path: {}", worktree.display()),
        ]
    );
    lines[0]
        .strip_prefix("Created session: ")
        .expect(lines[0])
        .to_owned()
}

#[test]
fn templates_are_made_listed_shown_and_deleted() {
    let daemon = Daemon::start();
    let id = create_template(&daemon, "demo");
    let with_engine = cli(
        &daemon,
        &["template", "create", "--name", "old", "--engine", "goja"],
    );
    assert!(
        with_engine
            .line()
            .starts_with("Created template: old (ID: ")
    );
    let listed = cli(&daemon, &["template", "list"]).ok();
    assert!(
        listed.contains(&id) && listed.contains("demo") && listed.contains("goja"),
        "{listed}"
    );
    let shown = cli(&daemon, &["template", "get", &id]).ok();
    assert!(shown.contains(&id) && shown.contains("demo"), "{shown}");
    let deleted = cli(&daemon, &["template", "delete", &id]);
    assert_eq!(deleted.line(), format!("Deleted template: {id}"));
    let gone = cli(&daemon, &["template", "get", &id]);
    assert!(
        gone.error(1).contains("TEMPLATE_NOT_FOUND"),
        "{}",
        gone.stderr
    );
}

#[test]
fn startup_files_and_capabilities_are_added_and_listed() {
    let daemon = Daemon::start();
    let id = create_template(&daemon, "demo");
    let added = cli(&daemon, &["template", "add-startup", &id, "--path", "a.js"]);
    assert_eq!(
        added.line(),
        format!("Added startup file: a.js (order: 10) to template {id}")
    );
    let more = [
        "template",
        "add-startup",
        &id,
        "--path",
        "b.js",
        "--order",
        "5",
        "--mode",
        "import",
    ];
    let added = cli(&daemon, &more);
    assert_eq!(
        added.line(),
        format!("Added startup file: b.js (order: 5) to template {id}")
    );
    let listed = cli(&daemon, &["template", "list-startup", &id]).ok();
    assert!(
        listed.find("b.js").unwrap() < listed.find("a.js").unwrap(),
        "{listed}"
    );
    let added = cli(
        &daemon,
        &["template", "add-capability", &id, "--name", "fs"],
    );
    assert_eq!(
        added.line(),
        format!("Added capability: module:fs to template {id}")
    );
    let more = [
        "template",
        "add-capability",
        &id,
        "--name",
        "n",
        "--kind",
        "net",
        "--config",
        "{\"hosts\":[]}",
        "--enabled",
    ];
    let added = cli(&daemon, &more);
    assert_eq!(
        added.line(),
        format!("Added capability: net:n to template {id}")
    );
    let listed = cli(
        &daemon,
        &["--output", "json", "template", "list-capabilities", &id],
    )
    .json();
    let of = |name: &str| {
        let list = listed.as_array().unwrap();
        list.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (&of("fs")["enabled"], &of("fs")["config"]),
        (&json!(true), &json!({}))
    );
    assert_eq!(
        (&of("n")["enabled"], &of("n")["config"]),
        (&json!(true), &json!({"hosts": []}))
    );
}

#[test]
fn modules_and_libraries_are_added_listed_and_removed() {
    let daemon = Daemon::start();
    let libraries = daemon.home().join("libraries");
    std::fs::create_dir_all(&libraries).unwrap();
    std::fs::write(libraries.join("lodash-4.17.21.js"), "").unwrap();
    let id = create_template(&daemon, "demo");
    for (what, list, name) in [
        ("module", "modules", "fs"),
        ("library", "libraries", "lodash-4.17.21"),
    ] {
        let (add, remove) = (format!("add-{what}"), format!("remove-{what}"));
        let added = cli(&daemon, &["template", &add, &id, "--name", name]);
        assert_eq!(
            added.line(),
            format!("Added {what}: {name} to template {id}")
        );
        let list = format!("list-{list}");
        assert_eq!(cli(&daemon, &["template", &list, &id]).line(), name);
        let removed = cli(&daemon, &["template", &remove, &id, "--name", name]);
        assert_eq!(
            removed.line(),
            format!("Removed {what}: {name} from template {id}")
        );
        let listed = cli(&daemon, &["--output", "json", "template", &list, &id]);
        assert_eq!(listed.json(), json!([]));
    }
    let modules = cli(&daemon, &["template", "list-available-modules"]).ok();
    for name in ["fs", "database", "exec"] {
        assert!(modules.contains(name), "{modules}");
    }
    let libraries = cli(&daemon, &["template", "list-available-libraries"]).ok();
    for name in [
        "lodash-4.17.21",
        "moment-2.29.4",
        "axios-1.6.0",
        "ramda-0.29.0",
        "dayjs-1.11.10",
        "zustand-4.4.7",
    ] {
        assert!(libraries.contains(name), "{libraries}");
    }
}

#[test]
fn an_empty_filter_filters_nothing() {
    let daemon = Daemon::start();
    let id = create_session(&daemon, &create_template(&daemon, "demo"));
    for args in [
        &["session", "list", "--status", ""] as &[&str],
        &["session", "list", "--status="],
    ] {
        assert!(cli(&daemon, args).ok().contains(&id), "{args:?}");
    }
    let closed = cli(&daemon, &["session", "list", "--status", "closed"]).ok();
    assert_eq!(closed, "No sessions.\n");
}

#[test]
fn a_template_is_shown_under_the_labels_of_the_go_service() {
    let daemon = Daemon::start();
    let id = create_template(&daemon, "demo");
    let shown = cli(&daemon, &["template", "get", &id]).ok();
    assert!(
        shown.starts_with(&format!("Template: demo\nID: {id}\n")),
        "{shown}"
    );
    assert!(!shown.contains("Exposed Modules:") && !shown.contains("Loaded Libraries:"));
    for args in [
        ["add-module", "fs"],
        ["add-module", "database"],
        ["add-library", "lodash-4.17.21"],
    ] {
        let added = cli(&daemon, &["template", args[0], &id, "--name", args[1]]);
        assert_eq!(added.status, 0, "{}", added.stderr);
    }
    let shown = cli(&daemon, &["template", "get", &id]).ok();
    let expected =
        "\nExposed Modules:\n  - database\n  - fs\n\nLoaded Libraries:\n  - lodash-4.17.21\n";
    assert!(shown.ends_with(expected), "{shown}");
}

#[test]
fn sessions_are_made_listed_shown_and_closed() {
    let daemon = Daemon::start();
    let id = create_session(&daemon, &create_template(&daemon, "demo"));
    assert!(cli(&daemon, &["session", "list"]).ok().contains(&id));
    assert!(
        cli(&daemon, &["session", "list", "--status", "ready"])
            .ok()
            .contains(&id)
    );
    assert!(
        !cli(&daemon, &["session", "list", "--status", "closed"])
            .ok()
            .contains(&id)
    );
    let shown = cli(&daemon, &["session", "get", &id]).ok();
    assert!(shown.contains(&id) && shown.contains("ready"), "{shown}");
    for _ in 0..2 {
        let closed = cli(&daemon, &["session", "close", &id]);
        assert_eq!(closed.line(), format!("Closed session: {id}"));
    }
    let refused = cli(&daemon, &["exec", "repl", &id, "1"]);
    assert!(
        refused.error(1).contains("SESSION_NOT_READY"),
        "{}",
        refused.stderr
    );
}

#[test]
fn ops_print_the_json_of_the_api() {
    let daemon = Daemon::start();
    let session = create_session(&daemon, &create_template(&daemon, "demo"));
    assert_eq!(
        cli(&daemon, &["ops", "health"]).line(),
        r#"{"status":"ok"}"#
    );
    let summary = cli(&daemon, &["ops", "runtime-summary"]).json();
    assert_eq!(
        summary,
        json!({"active_sessions": 1, "active_session_ids": [session]})
    );
}

#[test]
fn json_output_is_what_the_api_gives() {
    let daemon = Daemon::start();
    let made = cli(
        &daemon,
        &["--output", "json", "template", "create", "--name", "demo"],
    )
    .json();
    let id = text(&made, "id").to_owned();
    let session = create_session(&daemon, &id);
    let ran = cli(
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
            cli(&daemon, &args).json(),
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
        assert!(cli(&daemon, &args).json().is_array());
    }
}
