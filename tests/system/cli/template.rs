//! `vm-system template`: its exact lines.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::cli::creation::create_template;
use crate::support::cli::run_cli;

#[test]
fn templates_are_made_listed_shown_and_deleted() {
    let daemon = Daemon::start();
    let id = create_template(&daemon, "demo");
    let with_engine = run_cli(
        &daemon,
        &["template", "create", "--name", "old", "--engine", "goja"],
    );
    assert!(
        with_engine
            .line()
            .starts_with("Created template: old (ID: ")
    );
    let listed = run_cli(&daemon, &["template", "list"]).ok();
    assert!(
        listed.contains(&id) && listed.contains("demo") && listed.contains("goja"),
        "{listed}"
    );
    let shown = run_cli(&daemon, &["template", "get", &id]).ok();
    assert!(shown.contains(&id) && shown.contains("demo"), "{shown}");
    let deleted = run_cli(&daemon, &["template", "delete", &id]);
    assert_eq!(deleted.line(), format!("Deleted template: {id}"));
    let gone = run_cli(&daemon, &["template", "get", &id]);
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
    let added = run_cli(&daemon, &["template", "add-startup", &id, "--path", "a.js"]);
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
    let added = run_cli(&daemon, &more);
    assert_eq!(
        added.line(),
        format!("Added startup file: b.js (order: 5) to template {id}")
    );
    let listed = run_cli(&daemon, &["template", "list-startup", &id]).ok();
    assert!(
        listed.find("b.js").unwrap() < listed.find("a.js").unwrap(),
        "{listed}"
    );
    let added = run_cli(
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
    let added = run_cli(&daemon, &more);
    assert_eq!(
        added.line(),
        format!("Added capability: net:n to template {id}")
    );
    let listed = run_cli(
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
        let added = run_cli(&daemon, &["template", &add, &id, "--name", name]);
        assert_eq!(
            added.line(),
            format!("Added {what}: {name} to template {id}")
        );
        let list = format!("list-{list}");
        assert_eq!(run_cli(&daemon, &["template", &list, &id]).line(), name);
        let removed = run_cli(&daemon, &["template", &remove, &id, "--name", name]);
        assert_eq!(
            removed.line(),
            format!("Removed {what}: {name} from template {id}")
        );
        let listed = run_cli(&daemon, &["--output", "json", "template", &list, &id]);
        assert_eq!(listed.json(), json!([]));
    }
    let modules = run_cli(&daemon, &["template", "list-available-modules"]).ok();
    for name in ["fs", "database", "exec"] {
        assert!(modules.contains(name), "{modules}");
    }
    let libraries = run_cli(&daemon, &["template", "list-available-libraries"]).ok();
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
fn a_template_is_shown_under_the_labels_of_the_go_service() {
    let daemon = Daemon::start();
    let id = create_template(&daemon, "demo");
    let shown = run_cli(&daemon, &["template", "get", &id]).ok();
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
        let added = run_cli(&daemon, &["template", args[0], &id, "--name", args[1]]);
        assert_eq!(added.status, 0, "{}", added.stderr);
    }
    let shown = run_cli(&daemon, &["template", "get", &id]).ok();
    let expected =
        "\nExposed Modules:\n  - database\n  - fs\n\nLoaded Libraries:\n  - lodash-4.17.21\n";
    assert!(shown.ends_with(expected), "{shown}");
}

#[test]
fn a_template_is_changed_and_an_execution_cancelled_by_commands() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let set = daemon
        .cli(&[
            "template",
            "set",
            &template,
            "--wall-ms",
            "60000",
            "--mem-mb",
            "256",
        ])
        .output()
        .unwrap();
    assert!(set.status.success(), "{set:?}");
    let stored = daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect_status(200);
    assert_eq!(stored["settings"]["limits"]["wall_ms"], 60000);
    assert_eq!(stored["settings"]["limits"]["mem_mb"], 256);
    let session = daemon.session_with_long_limits();
    let running = session.start("while (true);");
    let id = session.executions()[0]["id"].as_str().unwrap().to_owned();
    let cancel = daemon.cli(&["exec", "cancel", &id]).output().unwrap();
    let text = String::from_utf8(cancel.stdout).unwrap();
    assert!(text.contains("Status: cancelled"), "{text}");
    assert_eq!(
        running.join().unwrap().expect_status(201)["status"],
        "cancelled"
    );
}
