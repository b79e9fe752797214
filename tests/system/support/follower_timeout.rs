//! Sessions that the daemon closes if they have no follower for a time.

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Session, wait_for};

/// Makes a session that is closed after this time without a follower, in milliseconds.
pub(crate) fn session_with_follower_timeout(
    daemon: &Daemon,
    template: &str,
    timeout_ms: u64,
) -> Session {
    let record =
        request_with_follower_timeout(daemon, template, &json!(timeout_ms)).expect_status(201);
    daemon.session_with_id(record["id"].as_str().unwrap())
}

/// Requests such a session; the answer may be a refusal.
pub(crate) fn request_with_follower_timeout(
    daemon: &Daemon,
    template: &str,
    timeout_ms: &Value,
) -> Answer {
    let body = json!({
        "template_id": template,
        "workspace_id": "test",
        "base_commit_oid": "HEAD",
        "worktree_path": daemon.worktree(),
        "unwatched_timeout_ms": timeout_ms,
    });
    daemon.api.post("/sessions", &body)
}

/// The status in the record of a session.
pub(crate) fn status(session: &Session) -> Value {
    session.record()["status"].clone()
}

/// Waits until a session is closed.
pub(crate) fn wait_until_closed(session: &Session) {
    wait_for("the session to be closed", || {
        (status(session) == "closed").then_some(())
    });
}
