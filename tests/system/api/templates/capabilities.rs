//! The capabilities of a template.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::api::templates::parts::{add_part, list_parts};
use crate::support::assertions::{assert_names, is_uuid};

#[test]
fn a_capability_is_stored_with_its_defaults() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let first = add_part(
        &daemon,
        &id,
        "capabilities",
        &json!({"kind": "module", "name": "fs"}),
    );
    let first = first.expect_status(201);
    assert!(is_uuid(&first["id"]));
    assert_eq!(first["vm_id"], *id);
    assert_eq!(
        (&first["kind"], &first["name"]),
        (&json!("module"), &json!("fs"))
    );
    assert_eq!(
        (&first["enabled"], &first["config"]),
        (&json!(true), &json!({}))
    );
    let body = json!({"kind": "net", "name": "n", "enabled": false, "config": {"hosts": ["a"]}});
    let second = add_part(&daemon, &id, "capabilities", &body).expect_status(201);
    assert_eq!(
        (&second["enabled"], &second["config"]),
        (&json!(false), &json!({"hosts": ["a"]}))
    );
    let listed = list_parts(&daemon, &id, "capabilities");
    assert!(listed.as_array().unwrap().contains(&first), "{listed}");
    assert!(listed.as_array().unwrap().contains(&second), "{listed}");
    let details = daemon
        .api
        .get(&format!("/templates/{id}"))
        .expect_status(200);
    assert_eq!(details["capabilities"], listed);
}

#[test]
fn a_capability_has_one_of_five_kinds_and_a_name() {
    let daemon = Daemon::start();
    let id = daemon.template();
    for kind in ["module", "global", "fs", "net", "env"] {
        let config = if kind == "global" {
            json!({"value": 1})
        } else {
            json!({})
        };
        let body = json!({"kind": kind, "name": "fs", "config": config});
        add_part(&daemon, &id, "capabilities", &body).expect_status(201);
    }
    for (body, named) in [
        (json!({"kind": "disk", "name": "a"}), "kind"),
        (json!({"name": "a"}), "kind"),
        (json!({"kind": "fs"}), "name"),
        (json!({"kind": "fs", "name": ""}), "name"),
    ] {
        let answer = add_part(&daemon, &id, "capabilities", &body);
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), named);
    }
    assert_eq!(
        list_parts(&daemon, &id, "capabilities")
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[test]
fn a_taken_capability_is_refused_and_one_of_another_kind_is_not() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let body = json!({"kind": "fs", "name": "a"});
    add_part(&daemon, &id, "capabilities", &body).expect_status(201);
    let answer =
        add_part(&daemon, &id, "capabilities", &body).expect_error(409, "CAPABILITY_EXISTS");
    assert_eq!(answer.json["error"]["details"]["template_id"], *id);
    add_part(
        &daemon,
        &id,
        "capabilities",
        &json!({"kind": "env", "name": "a"}),
    )
    .expect_status(201);
    add_part(&daemon, &daemon.template(), "capabilities", &body).expect_status(201);
}

#[test]
fn a_module_capability_grants_and_a_disabled_one_denies() {
    let daemon = Daemon::start();
    let given = daemon.template();
    let body = json!({"kind": "module", "name": "exec"});
    add_part(&daemon, &given, "capabilities", &body).expect_status(201);
    assert_eq!(
        daemon.session_of(&given).eval("typeof require('exec').run"),
        "function"
    );
    let taken = daemon.template_with_modules(&["exec"]);
    let body = json!({"kind": "module", "name": "exec", "enabled": false});
    add_part(&daemon, &taken, "capabilities", &body).expect_status(201);
    let execution = daemon.session_of(&taken).run("require('exec')");
    assert_eq!(execution["status"], "error", "{execution}");
}
