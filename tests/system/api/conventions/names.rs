//! The characters that names may have.

use serde_json::{Value, json};
use vm_system_tests::Daemon;

/// Invisible characters that change how other characters are shown.
const CONTROLS: [char; 12] = [
    '\u{1b}', '\u{7}', '\n', '\u{7f}', '\u{85}', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}',
    '\u{202e}', '\u{2066}', '\u{2069}',
];

/// A `POST` that is refused: the path, the body, the status and the error code.
type Refused = (String, Value, u16, &'static str);

/// Every `POST` of a name, with `name` as that name.
fn posts_of(name: &str, template: &str, session: &str, worktree: &str) -> Vec<Refused> {
    let parts = format!("/templates/{template}");
    let invalid = |path: &str, body| (path.to_owned(), body, 400, "VALIDATION_ERROR");
    let session_in = |workspace: &str, commit: &str, worktree: &str| {
        json!({
            "template_id": template, "workspace_id": workspace, "base_commit_oid": commit,
            "worktree_path": worktree,
        })
    };
    vec![
        invalid("/templates", json!({"name": name})),
        invalid(&format!("{parts}/modules"), json!({"name": name})),
        invalid(&format!("{parts}/libraries"), json!({"name": name})),
        invalid(
            &format!("{parts}/capabilities"),
            json!({"kind": "fs", "name": name}),
        ),
        (
            format!("{parts}/startup-files"),
            json!({"path": name}),
            422,
            "INVALID_PATH",
        ),
        invalid("/sessions", session_in(name, "c", worktree)),
        invalid("/sessions", session_in("w", name, worktree)),
        (
            "/sessions".to_owned(),
            session_in("w", "c", &format!("{worktree}/{name}")),
            422,
            "WORKTREE_INVALID",
        ),
        (
            "/executions/run-file".to_owned(),
            json!({"session_id": session, "path": name}),
            422,
            "INVALID_PATH",
        ),
    ]
}

#[test]
fn no_name_has_a_control_character() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let worktree = daemon.worktree();
    let session = daemon.session();
    for control in CONTROLS {
        let name = format!("a{control}b");
        let refused = posts_of(&name, &template, &session.id, worktree.to_str().unwrap());
        for (path, body, status, code) in refused {
            let answer = daemon.api.post(&path, &body).expect_error(status, code);
            let named = format!("U+{:04X}", u32::from(control));
            assert!(
                answer.message().contains(&named),
                "{path}: {}",
                answer.message()
            );
            assert!(!answer.message().contains(control), "{path}");
        }
        for patch in [
            json!({"name": name}),
            json!({"resolver": {"roots": [name]}}),
            json!({"resolver": {"extensions": [format!(".{name}")]}}),
        ] {
            let refused = daemon.api.patch(&format!("/templates/{template}"), &patch);
            refused.expect_error(400, "VALIDATION_ERROR");
        }
    }
    let templates = daemon.api.get("/templates").expect_status(200);
    assert_eq!(templates.as_array().unwrap().len(), 2, "{templates}");
}

#[test]
fn names_can_be_in_any_language() {
    let daemon = Daemon::start();
    for name in [
        "日本語",
        "עברית",
        "العربية",
        "می\u{200c}خواهم",
        "👩\u{200d}🚀",
        "e\u{301}",
    ] {
        let template = daemon
            .api
            .post("/templates", &json!({"name": name}))
            .expect_status(201);
        assert_eq!(template["name"], name);
        let template = template["id"].as_str().unwrap();
        let file = format!("{name}.js");
        daemon.write(&file, "globalThis.name = 'started'");
        let files = format!("/templates/{template}/startup-files");
        daemon
            .api
            .post(&files, &json!({"path": file}))
            .expect_status(201);
        let session = daemon.session_of(template);
        assert_eq!(session.eval("name"), "started");
        session.submit_file(&file).expect_status(201);
    }
}
