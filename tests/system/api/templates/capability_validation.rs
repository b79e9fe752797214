//! Invalid capabilities are refused when they are added, and the refusal names the fault.

use serde_json::{Value, json};
use vm_system_tests::Daemon;

/// Adds a capability that must be refused; returns the message.
#[track_caller]
fn refusal(daemon: &Daemon, template: &str, body: &Value) -> String {
    let answer = daemon
        .api
        .post(&format!("/templates/{template}/capabilities"), body)
        .expect_error(400, "VALIDATION_ERROR");
    answer.json["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_wrong_key_is_named_by_its_path() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for (kind, name, config, expected) in [
        (
            "fs",
            "a",
            json!({"read": ["ok", 1]}),
            "config.read[1] must be a string",
        ),
        (
            "fs",
            "a",
            json!({"colour": 1}),
            "config.colour is not a key of a capability of kind fs: use read, write",
        ),
        ("fs", "a", json!({"write": ["../x"]}), "config.write[0]"),
        ("fs", "a", json!({"write": ["/x"]}), "config.write[0]"),
        ("fs", "a", json!({"read": ["["]}), "config.read[0]"),
        (
            "net",
            "a",
            json!({"hosts": ["ok.test", "http://a.test"]}),
            "config.hosts[1]",
        ),
        (
            "net",
            "a",
            json!({"hosts": "a.test"}),
            "config.hosts must be an array",
        ),
        (
            "net",
            "a",
            json!({"host": "a.test"}),
            "config.host is not a key",
        ),
        ("net", "my api", json!({}), "name must be a host"),
        ("env", "A=B", json!({}), "name must be the name"),
        ("env", "a", json!({"names": [""]}), "config.names[0]"),
        ("global", "a", json!({}), "config.value is required"),
        ("global", "a-b", json!({"value": 1}), "name must be"),
        (
            "global",
            "a",
            json!({"value": 1, "x": 1}),
            "config.x is not a key",
        ),
        ("module", "fs", json!({"read": []}), "config.read is not"),
        ("module", "exec", json!({"commands": []}), "config.commands"),
        (
            "module",
            "exec",
            json!({"commands": ["git"]}),
            "config.commands[0] must be an absolute path",
        ),
    ] {
        let body = json!({"kind": kind, "name": name, "config": config});
        let message = refusal(&daemon, &template, &body);
        assert!(message.contains(expected), "{body}: {message}");
    }
    let listed = daemon
        .api
        .get(&format!("/templates/{template}/capabilities"));
    assert_eq!(listed.expect_status(200), json!([]));
}

#[test]
fn a_disabled_capability_is_checked_too_but_a_deleted_global_needs_no_value() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let wrong = json!({"kind": "fs", "name": "a", "enabled": false, "config": {"read": 1}});
    let message = refusal(&daemon, &template, &wrong);
    assert!(message.contains("config.read"), "{message}");
    let path = format!("/templates/{template}/capabilities");
    let deleted = json!({"kind": "global", "name": "atob", "enabled": false});
    daemon.api.post(&path, &deleted).expect_status(201);
}

#[test]
fn valid_capabilities_are_stored_as_given() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let path = format!("/templates/{template}/capabilities");
    for (kind, name, config) in [
        ("fs", "data", json!({"read": ["data/**"], "write": []})),
        (
            "net",
            "api",
            json!({"hosts": ["API.example.com", "*.b\u{fc}cher.example:*", "[::1]:8080"]}),
        ),
        ("net", "localhost:8080", json!({})),
        ("env", "HOME", json!({})),
        ("global", "settings", json!({"value": null})),
        ("module", "exec", json!({"commands": ["/usr/bin/git"]})),
    ] {
        let body = json!({"kind": kind, "name": name, "config": config});
        let added = daemon.api.post(&path, &body).expect_status(201);
        assert_eq!(added["config"], config, "{body}");
    }
    let session = daemon.session_of(&template);
    let stored = session.record();
    assert!(stored["runtime_meta"].get("grants").is_none(), "{stored}");
    assert_eq!(
        stored["runtime_meta"]["capabilities"]
            .as_array()
            .map(Vec::len),
        Some(6)
    );
}
