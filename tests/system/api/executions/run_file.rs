//! Files of the worktree that are run.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Session};

use crate::support::assertions::{assert_lacks, numbered_events, text, types};

fn run_file(daemon: &Daemon, session: &Session, body: &Value) -> Answer {
    let mut full = json!({"session_id": session.id});
    full.as_object_mut()
        .unwrap()
        .extend(body.as_object().unwrap().clone());
    daemon.api.post("/executions/run-file", &full)
}

#[test]
fn an_execution_of_a_file_has_its_arguments_and_its_environment() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "JSON.stringify([__ARGS__, __ENV__])");
    let plain = run_file(&daemon, &session, &json!({"path": "a.js"})).expect_status(201);
    assert_eq!(plain["kind"], "run_file");
    assert_eq!(plain["path"], "a.js");
    assert_eq!((&plain["args"], &plain["env"]), (&json!({}), &json!({})));
    assert_eq!(plain["result"]["preview"], "[{},{}]");
    assert_lacks(&plain, &["input"]);
    let body = json!({"path": "a.js", "args": {"n": [1, {"a": null}]}, "env": {"HOME": "/h"}});
    let given = run_file(&daemon, &session, &body).expect_status(201);
    assert_eq!(
        (&given["args"], &given["env"]),
        (&body["args"], &body["env"])
    );
    assert_eq!(
        given["result"]["preview"],
        r#"[{"n":[1,{"a":null}]},{"HOME":"/h"}]"#
    );
    let again = run_file(&daemon, &session, &json!({"path": "a.js"})).expect_status(201);
    assert_eq!(
        again["result"]["preview"], "[{},{}]",
        "nothing is left of the last ones"
    );
}

#[test]
fn the_echo_of_a_file_is_its_path() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("dir/a.js", "console.warn('from a file')\nnope");
    let execution = session.submit_file("dir/a.js").expect_status(201);
    let events = numbered_events(&session, &execution);
    assert_eq!(types(&events), ["input_echo", "console", "exception"]);
    assert_eq!(events[0]["payload"], json!({"text": "dir/a.js"}));
    let message = text(&execution["error"], "message");
    assert_eq!(
        message,
        "ReferenceError: nope is not defined at dir/a.js:2:1"
    );
}

#[test]
fn a_path_that_leaves_the_worktree_is_invalid() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let secret = daemon.home().join("secret.js");
    std::fs::write(&secret, "'secret'").unwrap();
    symlink(&secret, daemon.worktree().join("link.js")).unwrap();
    symlink("..", daemon.worktree().join("up")).unwrap();
    let twin = format!("{}-twin/a.js", daemon.worktree().display());
    for path in [
        secret.to_str().unwrap(),
        "/etc/passwd",
        &twin,
        "../secret.js",
        "a/../../secret.js",
        "link.js",
        "up/secret.js",
    ] {
        let answer = session.submit_file(path).expect_error(422, "INVALID_PATH");
        assert_eq!(answer.json["error"]["details"]["path"], path);
    }
    assert!(session.executions().is_empty());
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "1");
    for path in ["missing.js", "no/such/dir.js", "a.js/b.js"] {
        let answer = session
            .submit_file(path)
            .expect_error(404, "FILE_NOT_FOUND");
        assert_eq!(answer.json["error"]["details"]["path"], path);
    }
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn files_inside_the_worktree_are_found_by_each_of_their_paths() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("dir/a.js", "'here'");
    symlink("dir/a.js", daemon.worktree().join("inner.js")).unwrap();
    let absolute = daemon.worktree().join("dir/a.js");
    for (path, clean) in [
        ("dir/a.js", "dir/a.js"),
        ("./dir/./a.js", "dir/a.js"),
        ("inner.js", "inner.js"),
        (absolute.to_str().unwrap(), "dir/a.js"),
    ] {
        let execution = session.submit_file(path).expect_status(201);
        assert_eq!(execution["result"]["preview"], "here", "{path}");
        assert_eq!(execution["path"], clean);
    }
}
