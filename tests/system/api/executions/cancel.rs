//! Cancelling executions.

use serde_json::json;
use vm_system_tests::Daemon;

#[test]
fn a_cancelled_execution_is_rolled_back_in_native_code_too() {
    let daemon = Daemon::start();
    let session = daemon.session_with_long_limits();
    session.eval("globalThis.mark = 7");
    for code in [
        "mark = 8; while (true);",
        "mark = 8; /^(a+)+$/.test('a'.repeat(32) + 'b')",
    ] {
        let running = session.start(code);
        let id = session.executions()[0]["id"].as_str().unwrap().to_owned();
        let path = format!("/executions/{id}/cancel");
        let cancelled = daemon.api.post(&path, &json!({})).expect_status(200);
        assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
        assert_eq!(cancelled["error"]["code"], "CANCELLED");
        assert_eq!(cancelled["error"]["rolled_back"], true);
        assert_eq!(running.join().unwrap().expect_status(201), cancelled);
        assert_eq!(session.eval("mark"), "7");
        assert_eq!(
            daemon.api.post(&path, &json!({})).expect_status(200),
            cancelled
        );
    }
    let unknown = "/executions/00000000-0000-4000-8000-000000000000/cancel";
    daemon
        .api
        .post(unknown, &json!({}))
        .expect_error(404, "EXECUTION_NOT_FOUND");
}

#[test]
fn a_cancel_that_comes_late_does_not_hit_the_next_execution() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let (cancel, cancelled) = std::sync::mpsc::channel::<String>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in cancelled {
                // The execution may not have begun, or may have ended: both are accepted.
                let path = format!("/executions/{id}/cancel");
                daemon.api.post(&path, &json!({}));
            }
        });
        for number in 0..100 {
            let id = uuid::Uuid::new_v4().to_string();
            let is_to_be_cancelled = number % 2 == 0;
            if is_to_be_cancelled {
                cancel.send(id.clone()).unwrap();
            }
            let body = json!({"session_id": session.id, "input": "1 + 1", "execution_id": id});
            let ran = daemon
                .api
                .post("/executions/repl", &body)
                .expect_status(201);
            if !is_to_be_cancelled {
                assert_eq!(ran["status"], "ok", "{ran}");
            }
        }
        drop(cancel);
    });
}
