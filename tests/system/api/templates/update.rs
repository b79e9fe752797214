//! Changing templates, and removing what belongs to them.

use reqwest::Method;
use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon};

fn patch(daemon: &Daemon, template: &str, body: &Value) -> Answer {
    let path = format!("/templates/{template}");
    daemon
        .api
        .send(daemon.api.request(Method::PATCH, &path).json(body))
}

#[test]
fn a_template_is_changed_field_by_field() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let changed = patch(
        &daemon,
        &template,
        &json!({
            "name": "renamed",
            "limits": {"wall_ms": 700},
            "resolver": {"roots": [".", "lib"]},
            "runtime": {"strict": true},
        }),
    )
    .expect_status(200);
    assert_eq!(changed["template"]["name"], "renamed");
    let settings = &changed["settings"];
    assert_eq!(settings["limits"]["wall_ms"], 700);
    assert_eq!(settings["limits"]["cpu_ms"], 2000);
    assert_eq!(settings["resolver"]["roots"], json!([".", "lib"]));
    assert_eq!(settings["resolver"]["extensions"], json!([".js", ".mjs"]));
    assert_eq!(settings["runtime"]["strict"], true);
    assert_eq!(settings["runtime"]["console"], true);
    let stored = daemon
        .api
        .get(&format!("/templates/{template}"))
        .expect_status(200);
    assert_eq!(stored, changed);
}

#[test]
fn bad_changes_are_refused_and_change_nothing() {
    let daemon = Daemon::start();
    let (template, other) = (daemon.template(), daemon.template());
    let path = format!("/templates/{template}");
    let before = daemon.api.get(&path).expect_status(200);
    for (body, part) in [
        (json!({"limits": {"wall_ms": 0}}), "limits.wall_ms"),
        (json!({"limits": {"mem_mb": 1}}), "limits.mem_mb"),
        (json!({"resolver": {"roots": ["../x"]}}), "resolver.roots"),
        (json!({"name": " "}), "name"),
    ] {
        let answer = patch(&daemon, &template, &body).expect_error(400, "VALIDATION_ERROR");
        assert!(answer.message().contains(part), "{}", answer.message());
    }
    for body in [
        json!({"limits": {"wall_s": 1}}),
        json!({"limits": {"wall_ms": "1"}}),
        json!({"engine": "boa"}),
    ] {
        patch(&daemon, &template, &body).expect_error(400, "INVALID_REQUEST");
    }
    let taken = daemon
        .api
        .get(&format!("/templates/{other}"))
        .expect_status(200);
    let body = json!({"name": taken["template"]["name"]});
    patch(&daemon, &template, &body).expect_error(409, "TEMPLATE_EXISTS");
    assert_eq!(daemon.api.get(&path).expect_status(200), before);
    let unknown = "00000000-0000-4000-8000-000000000000";
    patch(&daemon, unknown, &json!({})).expect_error(404, "TEMPLATE_NOT_FOUND");
}

#[test]
fn changed_settings_hold_in_new_sessions_and_not_in_open_ones() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let before = daemon.session_of(&template);
    let body = json!({"limits": {"wall_ms": 2000}, "runtime": {"console": false, "strict": true, "esm": false}});
    patch(&daemon, &template, &body).expect_status(200);
    let after = daemon.session_of(&template);
    assert_eq!(before.eval("typeof console"), "object");
    assert_eq!(after.eval("typeof console"), "undefined");
    assert_eq!(after.eval("(function () { return this })()"), "undefined");
    let execution = after.run("import('./x.js')");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("runtime.esm"), "{message}");
    let execution = after.run("setTimeout(() => {}, 100000)");
    assert_eq!(execution["error"]["code"], "WALL_TIME_LIMIT");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(message.contains("2000 ms"), "{message}");
}

#[test]
fn an_inactive_template_makes_no_sessions() {
    let daemon = Daemon::start();
    let template = daemon.template();
    patch(&daemon, &template, &json!({"is_active": false})).expect_status(200);
    let refused = daemon.request_session(&template);
    let refused = refused.expect_error(400, "VALIDATION_ERROR");
    assert!(
        refused.message().contains("is_active"),
        "{}",
        refused.message()
    );
    patch(&daemon, &template, &json!({"is_active": true})).expect_status(200);
    assert_eq!(daemon.session_of(&template).eval("1"), "1");
}

#[test]
fn capabilities_and_startup_files_can_be_removed() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let path = |rest: &str| format!("/templates/{template}/{rest}");
    for (list, body, command, flag) in [
        (
            "capabilities",
            json!({"kind": "module", "name": "fs"}),
            "remove-capability",
            "--capability-id",
        ),
        (
            "startup-files",
            json!({"path": "a.js"}),
            "remove-startup",
            "--file-id",
        ),
    ] {
        let add = || {
            let made = daemon.api.post(&path(list), &body).expect_status(201);
            made["id"].as_str().unwrap().to_owned()
        };
        let id = add();
        let one = path(&format!("{list}/{id}"));
        let removed = daemon.api.delete(&one).expect_status(200);
        assert_eq!(
            removed,
            json!({"status": "ok", "template_id": template, "id": id})
        );
        assert_eq!(daemon.api.get(&path(list)).expect_status(200), json!([]));
        daemon.api.delete(&one).expect_error(404, "NOT_FOUND");
        let id = add();
        let output = daemon
            .cli(&["template", command, &template, flag, &id])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains(&format!("{id} from template {template}")),
            "{text}"
        );
        assert_eq!(daemon.api.get(&path(list)).expect_status(200), json!([]));
    }
}
