//! What belongs to a template: capabilities, startup files, modules, libraries.

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon};

use crate::support::assertions::{assert_names, column, is_uuid};

fn add(daemon: &Daemon, template: &str, what: &str, body: &Value) -> Answer {
    daemon
        .api
        .post(&format!("/templates/{template}/{what}"), body)
}

fn list(daemon: &Daemon, template: &str, what: &str) -> Value {
    daemon
        .api
        .get(&format!("/templates/{template}/{what}"))
        .expect_status(200)
}

#[test]
fn a_capability_is_stored_with_its_defaults() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let first = add(
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
    let second = add(&daemon, &id, "capabilities", &body).expect_status(201);
    assert_eq!(
        (&second["enabled"], &second["config"]),
        (&json!(false), &json!({"hosts": ["a"]}))
    );
    let listed = list(&daemon, &id, "capabilities");
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
        add(&daemon, &id, "capabilities", &body).expect_status(201);
    }
    for (body, named) in [
        (json!({"kind": "disk", "name": "a"}), "kind"),
        (json!({"name": "a"}), "kind"),
        (json!({"kind": "fs"}), "name"),
        (json!({"kind": "fs", "name": ""}), "name"),
    ] {
        let answer = add(&daemon, &id, "capabilities", &body);
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), named);
    }
    assert_eq!(
        list(&daemon, &id, "capabilities").as_array().unwrap().len(),
        5
    );
}

#[test]
fn a_taken_capability_is_refused_and_one_of_another_kind_is_not() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let body = json!({"kind": "fs", "name": "a"});
    add(&daemon, &id, "capabilities", &body).expect_status(201);
    let answer = add(&daemon, &id, "capabilities", &body).expect_error(409, "CAPABILITY_EXISTS");
    assert_eq!(answer.json["error"]["details"]["template_id"], *id);
    add(
        &daemon,
        &id,
        "capabilities",
        &json!({"kind": "env", "name": "a"}),
    )
    .expect_status(201);
    add(&daemon, &daemon.template(), "capabilities", &body).expect_status(201);
}

#[test]
fn a_module_capability_grants_and_a_disabled_one_denies() {
    let daemon = Daemon::start();
    let given = daemon.template();
    let body = json!({"kind": "module", "name": "exec"});
    add(&daemon, &given, "capabilities", &body).expect_status(201);
    assert_eq!(
        daemon.session_of(&given).eval("typeof require('exec').run"),
        "function"
    );
    let taken = daemon.template_with_modules(&["exec"]);
    let body = json!({"kind": "module", "name": "exec", "enabled": false});
    add(&daemon, &taken, "capabilities", &body).expect_status(201);
    let execution = daemon.session_of(&taken).run("require('exec')");
    assert_eq!(execution["status"], "error", "{execution}");
}

#[test]
fn startup_files_are_listed_by_their_order() {
    let daemon = Daemon::start();
    let id = daemon.template();
    for body in [
        json!({"path": "last.js", "order_index": 20}),
        json!({"path": "default.js"}),
        json!({"path": "middle.js", "order_index": 10, "mode": "import"}),
        json!({"path": "first.js", "order_index": -1, "mode": "eval"}),
    ] {
        let file = add(&daemon, &id, "startup-files", &body).expect_status(201);
        assert!(is_uuid(&file["id"]));
        assert_eq!(file["vm_id"], *id);
        assert_eq!(file["path"], body["path"]);
        assert_eq!(
            file["order_index"],
            *body.get("order_index").unwrap_or(&json!(0))
        );
        assert_eq!(file["mode"], *body.get("mode").unwrap_or(&json!("eval")));
    }
    let files = list(&daemon, &id, "startup-files");
    assert_eq!(
        column(&files, "path"),
        ["first.js", "default.js", "middle.js", "last.js"]
    );
    let details = daemon
        .api
        .get(&format!("/templates/{id}"))
        .expect_status(200);
    assert_eq!(details["startup_files"], files);
}

#[test]
fn a_startup_file_needs_a_path_that_is_not_taken() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let answer = add(&daemon, &id, "startup-files", &json!({"order_index": 1}));
    assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "path");
    let body = json!({"path": "a.js"});
    add(&daemon, &id, "startup-files", &body).expect_status(201);
    let answer = add(
        &daemon,
        &id,
        "startup-files",
        &json!({"path": "a.js", "order_index": 2}),
    );
    let answer = answer.expect_error(409, "STARTUP_FILE_EXISTS");
    assert_eq!(answer.json["error"]["details"]["path"], "a.js");
    add(&daemon, &id, "startup-files", &json!({"path": "../a.js"}))
        .expect_error(422, "INVALID_PATH");
}

#[test]
fn an_unknown_startup_mode_is_refused_with_those_that_are_known() {
    let daemon = Daemon::start();
    let body = json!({"path": "a.js", "mode": "require"});
    let answer = add(&daemon, &daemon.template(), "startup-files", &body);
    let answer = answer.expect_error(422, "STARTUP_MODE_UNSUPPORTED");
    let details = &answer.json["error"]["details"];
    assert_eq!(details["requested_mode"], "require");
    assert_eq!(details["supported_modes"], json!(["eval", "import"]));
}

#[test]
fn built_ins_and_unknown_names_are_no_modules() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let built_ins = [
        "console", "math", "json", "date", "array", "string", "object", "promise",
    ];
    for name in built_ins.into_iter().chain(["http", "JSON", "nothing"]) {
        add(&daemon, &id, "modules", &json!({"name": name}))
            .expect_error(422, "MODULE_NOT_ALLOWED");
    }
    for name in ["http", "nothing"] {
        let body = json!({"kind": "module", "name": name});
        add(&daemon, &id, "capabilities", &body).expect_error(422, "MODULE_NOT_ALLOWED");
    }
    assert_eq!(list(&daemon, &id, "modules"), json!([]));
    // As a capability a built-in is kept, and changes nothing.
    for name in built_ins {
        let body = json!({"kind": "module", "name": name});
        add(&daemon, &id, "capabilities", &body).expect_status(201);
    }
    assert_eq!(list(&daemon, &id, "modules"), json!([]));
    assert_eq!(
        daemon.session_of(&id).eval("typeof console.log"),
        "function"
    );
}

#[test]
fn modules_and_libraries_can_be_added_and_removed_repeatedly() {
    let daemon = Daemon::start();
    let id = daemon.template();
    for (what, names) in [
        ("modules", ["fs", "exec"]),
        ("libraries", ["lodash-4.17.21", "own"]),
    ] {
        for name in names {
            for _ in 0..2 {
                let added = add(&daemon, &id, what, &json!({"name": name})).expect_status(201);
                assert_eq!(added, json!({"template_id": id, "name": name}));
            }
        }
        let mut listed = list(&daemon, &id, what);
        listed
            .as_array_mut()
            .unwrap()
            .sort_by_key(ToString::to_string);
        let mut sorted = names;
        sorted.sort_unstable();
        assert_eq!(listed, json!(sorted));
        for _ in 0..2 {
            let path = format!("/templates/{id}/{what}/{}", names[0]);
            let removed = daemon.api.delete(&path).expect_status(200);
            assert_eq!(
                removed,
                json!({"status": "ok", "template_id": id, "name": names[0]})
            );
        }
        assert_eq!(list(&daemon, &id, what), json!([names[1]]));
        let answer = add(&daemon, &id, what, &json!({}));
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "name");
    }
    let template = &daemon
        .api
        .get(&format!("/templates/{id}"))
        .expect_status(200)["template"];
    assert_eq!(template["exposed_modules"], json!(["exec"]));
    assert_eq!(template["libraries"], json!(["own"]));
}
