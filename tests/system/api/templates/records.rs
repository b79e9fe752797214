//! The records of templates.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::api::templates::parts::add_part;
use crate::support::assertions::{assert_names, column, is_timestamp, is_uuid, text};

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn a_new_template_has_the_shape_of_the_contract() {
    let daemon = Daemon::start();
    let template = daemon
        .api
        .post("/templates", &json!({"name": "a"}))
        .expect_status(201);
    assert!(is_uuid(&template["id"]));
    assert!(is_timestamp(&template["created_at"]) && is_timestamp(&template["updated_at"]));
    assert_eq!(template["name"], "a");
    assert_eq!(template["engine"], "boa");
    assert_eq!(template["is_active"], true);
    assert_eq!(template["exposed_modules"], json!([]));
    assert_eq!(template["libraries"], json!([]));
    let details = daemon
        .api
        .get(&format!("/templates/{}", text(&template, "id")))
        .expect_status(200);
    assert_eq!(details["template"], template);
    assert_eq!(
        daemon.api.get("/templates").expect_status(200),
        json!([template])
    );
}

#[test]
fn the_default_settings_are_those_of_the_contract() {
    let daemon = Daemon::start();
    let id = daemon.template();
    let details = daemon
        .api
        .get(&format!("/templates/{id}"))
        .expect_status(200);
    let expected = json!({
        "vm_id": id,
        "limits": {
            "cpu_ms": 2000, "wall_ms": 5000, "mem_mb": 128, "max_events": 50000, "max_output_kb": 256,
        },
        "resolver": {
            "roots": ["."], "extensions": [".js", ".mjs"], "allow_absolute_repo_imports": true,
        },
        "runtime": {"esm": true, "strict": false, "console": true},
    });
    assert_eq!(details["settings"], expected);
}

#[test]
fn a_template_without_a_name_is_refused() {
    let daemon = Daemon::start();
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"engine": "boa"}),
    ] {
        let answer = daemon.api.post("/templates", &body);
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "name");
    }
    assert_eq!(daemon.api.get("/templates").expect_status(200), json!([]));
}

#[test]
fn a_taken_template_name_is_refused_until_it_is_deleted() {
    let daemon = Daemon::start();
    let body = json!({"name": "twice"});
    let first = daemon.api.post("/templates", &body).expect_status(201);
    let second = daemon
        .api
        .post("/templates", &body)
        .expect_error(409, "TEMPLATE_EXISTS");
    assert_names(&second, "twice");
    let path = format!("/templates/{}", text(&first, "id"));
    daemon.api.delete(&path).expect_status(200);
    daemon.api.post("/templates", &body).expect_status(201);
}

#[test]
fn the_engine_is_echoed_as_it_was_given() {
    let daemon = Daemon::start();
    for engine in ["boa", "goja"] {
        let body = json!({"name": engine, "engine": engine});
        let template = daemon.api.post("/templates", &body).expect_status(201);
        assert_eq!(template["engine"], engine);
        let id = text(&template, "id");
        let details = daemon
            .api
            .get(&format!("/templates/{id}"))
            .expect_status(200);
        assert_eq!(details["template"]["engine"], engine);
        assert_eq!(daemon.session_of(id).eval("6 * 7"), "42");
    }
}

#[test]
fn an_engine_that_is_not_built_in_is_refused_with_those_that_are() {
    let daemon = Daemon::start();
    for engine in ["v8", "BOA", "quickjs"] {
        let body = json!({"name": "a", "engine": engine});
        let answer = daemon
            .api
            .post("/templates", &body)
            .expect_error(422, "ENGINE_UNSUPPORTED");
        let details = &answer.json["error"]["details"];
        assert_eq!(details["requested_engine"], engine);
        let supported = details["supported_engines"].as_array().unwrap();
        assert!(supported.contains(&json!("boa")), "{details}");
    }
}

#[test]
fn templates_are_listed_newest_first() {
    let daemon = Daemon::start();
    for name in ["b", "a", "c"] {
        daemon
            .api
            .post("/templates", &json!({"name": name}))
            .expect_status(201);
    }
    let templates = daemon.api.get("/templates").expect_status(200);
    assert_eq!(column(&templates, "name"), ["c", "a", "b"]);
}

#[test]
fn a_deleted_template_leaves_its_open_session_and_its_history() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    daemon.write("a.txt", "text");
    let session = daemon.session_of(&template);
    session.eval("globalThis.x = 7");
    let deleted = daemon
        .api
        .delete(&format!("/templates/{template}"))
        .expect_status(200);
    assert_eq!(deleted, json!({"status": "ok", "template_id": template}));
    assert_eq!(session.eval("x"), "7");
    assert_eq!(session.eval("require('fs').readFileSync('a.txt')"), "text");
    assert_eq!(session.executions().len(), 3);
    assert_eq!(session.record()["status"], "ready");
    assert_eq!(session.record()["vm_id"], *template);
    assert_eq!(session.close()["status"], "closed");
    assert_eq!(session.executions().len(), 3);
    daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect_error(404, "TEMPLATE_NOT_FOUND");
    daemon
        .request_session(&template)
        .expect_error(404, "TEMPLATE_NOT_FOUND");
}

#[test]
fn a_template_that_is_not_there_is_not_found_by_any_endpoint() {
    let daemon = Daemon::start();
    let capability = json!({"kind": "module", "name": "fs"});
    let answers = [
        daemon.api.get(&format!("/templates/{UNKNOWN_ID}")),
        daemon.api.delete(&format!("/templates/{UNKNOWN_ID}")),
        daemon
            .api
            .get(&format!("/templates/{UNKNOWN_ID}/capabilities")),
        add_part(&daemon, UNKNOWN_ID, "capabilities", &capability),
        daemon
            .api
            .get(&format!("/templates/{UNKNOWN_ID}/startup-files")),
        add_part(
            &daemon,
            UNKNOWN_ID,
            "startup-files",
            &json!({"path": "a.js"}),
        ),
        daemon.api.get(&format!("/templates/{UNKNOWN_ID}/modules")),
        add_part(&daemon, UNKNOWN_ID, "modules", &json!({"name": "fs"})),
        daemon
            .api
            .delete(&format!("/templates/{UNKNOWN_ID}/modules/fs")),
        daemon
            .api
            .get(&format!("/templates/{UNKNOWN_ID}/libraries")),
        add_part(&daemon, UNKNOWN_ID, "libraries", &json!({"name": "a"})),
        daemon
            .api
            .delete(&format!("/templates/{UNKNOWN_ID}/libraries/a")),
    ];
    for answer in answers {
        let answer = answer.expect_error(404, "TEMPLATE_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["template_id"], UNKNOWN_ID);
    }
}

#[test]
fn one_of_many_concurrent_creations_of_the_same_name_succeeds() {
    let daemon = Daemon::start();
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| daemon.api.post("/templates", &json!({"name": "a"})).status))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}
