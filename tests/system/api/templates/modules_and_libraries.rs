//! The modules and libraries of a template.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::api::templates::parts::{add_part, list_parts};
use crate::support::assertions::assert_names;

#[test]
fn built_ins_and_unknown_names_are_no_modules() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let built_ins = [
        "console", "math", "json", "date", "array", "string", "object", "promise",
    ];
    for name in built_ins.into_iter().chain(["http", "JSON", "nothing"]) {
        add_part(&daemon, &id, "modules", &json!({"name": name}))
            .expect_error(422, "MODULE_NOT_ALLOWED");
    }
    for name in ["http", "nothing"] {
        let body = json!({"kind": "module", "name": name});
        add_part(&daemon, &id, "capabilities", &body).expect_error(422, "MODULE_NOT_ALLOWED");
    }
    assert_eq!(list_parts(&daemon, &id, "modules"), json!([]));
    // A capability for a built-in module is stored, and has no effect.
    for name in built_ins {
        let body = json!({"kind": "module", "name": name});
        add_part(&daemon, &id, "capabilities", &body).expect_status(201);
    }
    assert_eq!(list_parts(&daemon, &id, "modules"), json!([]));
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
                let added = add_part(&daemon, &id, what, &json!({"name": name})).expect_status(201);
                assert_eq!(added, json!({"template_id": id, "name": name}));
            }
        }
        let mut listed = list_parts(&daemon, &id, what);
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
        assert_eq!(list_parts(&daemon, &id, what), json!([names[1]]));
        let answer = add_part(&daemon, &id, what, &json!({}));
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "name");
    }
    let template = &daemon
        .api
        .get(&format!("/templates/{id}"))
        .expect_status(200)["template"];
    assert_eq!(template["exposed_modules"], json!(["exec"]));
    assert_eq!(template["libraries"], json!(["own"]));
}
