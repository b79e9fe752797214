//! Malformed ids.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::assertions::assert_names;

#[test]
fn a_malformed_id_is_refused_by_the_name_of_its_parameter() {
    let daemon = Daemon::start();
    let session = json!({
        "template_id": "x", "workspace_id": "w", "base_commit_oid": "c", "worktree_path": "/",
    });
    let template = "template_id must be a valid UUID";
    let cases = [
        (daemon.api.get("/templates/x"), template),
        (daemon.api.delete("/templates/x"), template),
        (daemon.api.get("/templates/x/modules"), template),
        (
            daemon
                .api
                .post("/templates/x/modules", &json!({"name": "fs"})),
            template,
        ),
        (daemon.api.delete("/templates/x/modules/fs"), template),
        (daemon.api.get("/templates/x/libraries"), template),
        (daemon.api.get("/templates/x/capabilities"), template),
        (daemon.api.get("/templates/x/startup-files"), template),
        (daemon.api.post("/sessions", &session), template),
        (
            daemon.api.get("/sessions/x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.delete("/sessions/x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post("/sessions/x/close", &json!({})),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions?session_id=x"),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post(
                "/executions/repl",
                &json!({"session_id": "x", "input": "1"}),
            ),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.post(
                "/executions/run-file",
                &json!({"session_id": "x", "path": "a"}),
            ),
            "session_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions/x"),
            "execution_id must be a valid UUID",
        ),
        (
            daemon.api.get("/executions/x/events"),
            "execution_id must be a valid UUID",
        ),
    ];
    for (answer, message) in cases {
        assert_eq!(
            (answer.status, answer.code()),
            (400, "VALIDATION_ERROR"),
            "{message}: {}",
            answer.text
        );
        assert_names(&answer, message);
    }
}

#[test]
fn an_id_in_another_spelling_is_malformed_wherever_it_stands() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let spellings = |id: &str| {
        [
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
        ]
    };
    for id in spellings(&daemon.template()) {
        let answer = daemon.api.get(&format!("/templates/{id}"));
        answer.expect_error(400, "VALIDATION_ERROR");
        let answer = daemon
            .request_session(&id)
            .expect_error(400, "VALIDATION_ERROR");
        assert_names(&answer, "template_id must be a valid UUID");
    }
    for id in spellings(&session.id) {
        let body = json!({"session_id": id, "input": "1"});
        let answer = daemon.api.post("/executions/repl", &body);
        answer.expect_error(400, "VALIDATION_ERROR");
    }
}
