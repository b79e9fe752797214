//! The startup files of a template.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::api::templates::parts::{add_part, list_parts};
use crate::support::assertions::{assert_names, column, is_uuid};

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
        let file = add_part(&daemon, &id, "startup-files", &body).expect_status(201);
        assert!(is_uuid(&file["id"]));
        assert_eq!(file["vm_id"], *id);
        assert_eq!(file["path"], body["path"]);
        assert_eq!(
            file["order_index"],
            *body.get("order_index").unwrap_or(&json!(0))
        );
        assert_eq!(file["mode"], *body.get("mode").unwrap_or(&json!("eval")));
    }
    let files = list_parts(&daemon, &id, "startup-files");
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
    let answer = add_part(&daemon, &id, "startup-files", &json!({"order_index": 1}));
    assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "path");
    let body = json!({"path": "a.js"});
    add_part(&daemon, &id, "startup-files", &body).expect_status(201);
    let answer = add_part(
        &daemon,
        &id,
        "startup-files",
        &json!({"path": "a.js", "order_index": 2}),
    );
    let answer = answer.expect_error(409, "STARTUP_FILE_EXISTS");
    assert_eq!(answer.json["error"]["details"]["path"], "a.js");
    add_part(&daemon, &id, "startup-files", &json!({"path": "../a.js"}))
        .expect_error(422, "INVALID_PATH");
}

#[test]
fn an_unknown_startup_mode_is_refused_with_those_that_are_known() {
    let daemon = Daemon::start();
    let body = json!({"path": "a.js", "mode": "require"});
    let answer = add_part(&daemon, &daemon.template(), "startup-files", &body);
    let answer = answer.expect_error(422, "STARTUP_MODE_UNSUPPORTED");
    let details = &answer.json["error"]["details"];
    assert_eq!(details["requested_mode"], "require");
    assert_eq!(details["supported_modes"], json!(["eval", "import"]));
}
