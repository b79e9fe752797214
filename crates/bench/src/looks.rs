//! Asking a session that is busy.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::figures::{Table, Times};

/// Times completions in a session that runs an endless loop.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    let limits = json!({"wall_ms": 600_000, "cpu_ms": 600_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    session.eval("const settings = {alpha: 1, beta: {gamma: 2}}; 1");
    let endless = json!({"session_id": session.id, "input": "while (true);", "wait_ms": 0});
    daemon
        .api
        .post("/executions/repl", &endless)
        .expect_status(202);
    let path = format!("/sessions/{}/complete", session.id);
    let completed = Times::of(200, || {
        let code = json!({"code": "settings.beta."});
        let found = daemon.api.post(&path, &code).expect_status(200);
        assert_eq!(found["candidates"][0]["text"], "gamma", "{found}");
    });
    table.add("completion while the session runs", completed);
    session.close();
}
