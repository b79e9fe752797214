//! Sessions over the API.

use reqwest::Method;
use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::support::assertions::{
    assert_has, assert_lacks, assert_names, column, is_timestamp, is_uuid, text,
};

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

fn request(daemon: &Daemon, template: &str) -> Value {
    json!({
        "template_id": template,
        "workspace_id": "workspace",
        "base_commit_oid": "commit",
        "worktree_path": daemon.worktree(),
    })
}

#[test]
fn a_new_session_is_ready_and_has_the_shape_of_the_contract() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let session = daemon.request_session(&template).expect_status(201);
    assert!(is_uuid(&session["id"]) && is_timestamp(&session["created_at"]));
    assert_eq!(session["vm_id"], *template);
    assert_eq!(session["workspace_id"], "workspace");
    assert_eq!(session["base_commit_oid"], "commit");
    assert_eq!(session["worktree_path"], json!(daemon.worktree()));
    assert_eq!(session["status"], "ready");
    assert_lacks(&session, &["closed_at", "last_error"]);
    assert_has(&session, &["runtime_meta"]);
    let path = format!("/sessions/{}", text(&session, "id"));
    assert_eq!(daemon.api.get(&path).expect_status(200), session);
}

#[test]
fn each_field_of_a_new_session_is_required() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for field in [
        "template_id",
        "workspace_id",
        "base_commit_oid",
        "worktree_path",
    ] {
        for missing in [json!(null), json!("")] {
            let mut body = request(&daemon, &template);
            body[field] = missing;
            let answer = daemon.api.post("/sessions", &body);
            assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), field);
        }
        let mut body = request(&daemon, &template);
        body.as_object_mut().unwrap().remove(field);
        let answer = daemon.api.post("/sessions", &body);
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), field);
    }
    assert_eq!(daemon.api.get("/sessions").expect_status(200), json!([]));
}

#[test]
fn a_session_of_an_unknown_template_is_refused() {
    let daemon = Daemon::start();
    let answer = daemon
        .request_session(UNKNOWN_ID)
        .expect_error(404, "TEMPLATE_NOT_FOUND");
    assert_eq!(answer.json["error"]["details"]["template_id"], UNKNOWN_ID);
}

#[test]
fn a_worktree_that_is_no_absolute_directory_is_refused() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.write("a.js", "1");
    let file = daemon.worktree().join("a.js");
    for path in ["worktree", ".", "/nowhere/at/all", file.to_str().unwrap()] {
        let mut body = request(&daemon, &template);
        body["worktree_path"] = json!(path);
        let answer = daemon
            .api
            .post("/sessions", &body)
            .expect_error(422, "WORKTREE_INVALID");
        assert_eq!(answer.json["error"]["details"]["path"], path);
    }
}

#[test]
fn sessions_are_listed_newest_first_and_by_status() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let [a, b, c] = [(); 3].map(|()| daemon.session_of(&template));
    b.close();
    let listed = |query: &str| {
        let list = daemon
            .api
            .get(&format!("/sessions{query}"))
            .expect_status(200);
        column(&list, "id")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(""), [&*c.id, &b.id, &a.id]);
    assert_eq!(listed("?status=ready"), [&*c.id, &a.id]);
    assert_eq!(listed("?status=closed"), [&*b.id]);
    assert!(listed("?status=crashed").is_empty() && listed("?status=starting").is_empty());
    assert_eq!(listed("?status="), [&*c.id, &b.id, &a.id]);
    for status in ["open", "READY", "%20"] {
        let answer = daemon.api.get(&format!("/sessions?status={status}"));
        assert_names(&answer.expect_error(400, "VALIDATION_ERROR"), "status");
    }
}

#[test]
fn a_session_is_closed_by_post_and_by_delete_whatever_the_body() {
    let daemon = Daemon::start();
    let requests: [fn(&Daemon, &str) -> reqwest::RequestBuilder; 4] = [
        |daemon, id| {
            daemon
                .api
                .request(Method::POST, &format!("/sessions/{id}/close"))
        },
        |daemon, id| {
            let post = daemon
                .api
                .request(Method::POST, &format!("/sessions/{id}/close"));
            post.header("Content-Type", "text/plain").body("{nonsense")
        },
        |daemon, id| {
            daemon
                .api
                .request(Method::DELETE, &format!("/sessions/{id}"))
        },
        |daemon, id| {
            let delete = daemon
                .api
                .request(Method::DELETE, &format!("/sessions/{id}"));
            delete.json(&json!({"why": "because"}))
        },
    ];
    for request in requests {
        let session = daemon.session();
        let closed = daemon
            .api
            .send(request(&daemon, &session.id))
            .expect_status(200);
        assert_eq!(closed["id"], *session.id);
        assert_eq!(closed["status"], "closed");
        assert!(is_timestamp(&closed["closed_at"]), "{closed}");
        assert_lacks(&closed, &["last_error"]);
        assert_eq!(session.record(), closed);
    }
}

#[test]
fn closing_a_closed_session_changes_nothing() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let closed = session.close();
    assert_eq!(session.close(), closed);
    let path = format!("/sessions/{}", session.id);
    assert_eq!(daemon.api.delete(&path).expect_status(200), closed);
}

#[test]
fn an_unknown_session_is_not_found_by_any_endpoint() {
    let daemon = Daemon::start();
    let answers = [
        daemon.api.get(&format!("/sessions/{UNKNOWN_ID}")),
        daemon.api.delete(&format!("/sessions/{UNKNOWN_ID}")),
        daemon
            .api
            .post(&format!("/sessions/{UNKNOWN_ID}/close"), &json!({})),
        daemon
            .api
            .get(&format!("/executions?session_id={UNKNOWN_ID}")),
        daemon.api.post(
            "/executions/repl",
            &json!({"session_id": UNKNOWN_ID, "input": "1"}),
        ),
        daemon.api.post(
            "/executions/run-file",
            &json!({"session_id": UNKNOWN_ID, "path": "a.js"}),
        ),
    ];
    for answer in answers {
        let answer = answer.expect_error(404, "SESSION_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["session_id"], UNKNOWN_ID);
    }
}

#[test]
fn a_closed_session_runs_nothing_more() {
    let daemon = Daemon::start();
    daemon.write("a.js", "1");
    let session = daemon.session();
    session.close();
    for answer in [session.submit("1"), session.submit_file("a.js")] {
        let answer = answer.expect_error(409, "SESSION_NOT_READY");
        assert_eq!(answer.json["error"]["details"]["session_id"], *session.id);
    }
    assert!(session.executions().is_empty());
}

#[test]
fn a_busy_session_refuses_and_never_queues_and_its_end_cancels_what_runs() {
    let daemon = Daemon::start();
    daemon.write("a.js", "1");
    let session = daemon.session_with_long_limits();
    let running = session.start("while (true);");
    for answer in [session.submit("1"), session.submit_file("a.js")] {
        let answer = answer.expect_error(409, "SESSION_BUSY");
        assert_eq!(answer.json["error"]["details"]["session_id"], *session.id);
    }
    assert_eq!(session.close()["status"], "closed");
    let execution = running.join().unwrap().expect_status(201);
    assert_eq!(execution["status"], "cancelled", "{execution}");
    assert_lacks(&execution, &["result"]);
    let executions = session.executions();
    assert_eq!(executions, [execution], "nothing else was recorded");
}

#[test]
fn later_changes_of_a_template_touch_only_new_sessions() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["fs"]);
    daemon.write("a.js", "globalThis.started = 1");
    daemon.write("a.txt", "text");
    let old = daemon.session_of(&template);
    let meta = old.record()["runtime_meta"].clone();
    assert!(meta.to_string().contains("\"fs\""), "{meta}");
    assert_eq!(meta["limits"]["wall_ms"], 5000, "{meta}");
    daemon
        .api
        .delete(&format!("/templates/{template}/modules/fs"))
        .expect_status(200);
    let files = format!("/templates/{template}/startup-files");
    daemon
        .api
        .post(&files, &json!({"path": "a.js"}))
        .expect_status(201);
    let new = daemon.session_of(&template);
    assert_eq!(old.eval("require('fs').readFileSync('a.txt')"), "text");
    assert_eq!(old.eval("typeof started"), "undefined");
    assert_eq!(old.record()["runtime_meta"], meta);
    assert_eq!(new.run("require('fs')")["status"], "error");
    assert_eq!(new.eval("started"), "1");
    assert!(new.record()["runtime_meta"].to_string().contains("a.js"));
}
