//! Submitting executions: `wait_ms`, and requests that are sent again.

use serde_json::json;
use vm_system_tests::{Answer, Daemon, wait_for};

use crate::support::executions::{submit, submit_without_waiting, wait_until_ended};

#[test]
fn wait_ms_does_not_limit_an_execution() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "await new Promise(done => setTimeout(done, 3000)); 42";
    let id = submit_without_waiting(&daemon, &session, code);
    session.submit("1").expect_error(409, "SESSION_BUSY");
    let execution = wait_until_ended(&daemon, &id);
    assert_eq!(execution["result"]["preview"], "42");
    let quick = submit(&daemon, &session, "1 + 1", &json!({"wait_ms": 60_000})).expect_status(201);
    assert_eq!(quick["result"]["preview"], "2");
    let answer = submit(&daemon, &session, "1", &json!({"wait_ms": 3_600_001}));
    answer.expect_error(400, "VALIDATION_ERROR");
}

#[test]
fn a_request_that_is_sent_fifty_times_at_once_runs_once() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("globalThis.count = 0");
    let id = uuid::Uuid::new_v4().to_string();
    let code = "count++; await new Promise(done => setTimeout(done, 300)); count";
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| submit(&daemon, &session, code, &json!({"execution_id": id}))))
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .collect()
    });
    let first = answers[0].json.clone();
    assert_eq!(first["id"], *id);
    assert_eq!(first["result"]["preview"], "1", "{first}");
    for answer in answers {
        assert_eq!(answer.expect_status(201), first);
    }
    assert_eq!(session.eval("count"), "1");
    let later = submit(&daemon, &session, code, &json!({"execution_id": id})).expect_status(201);
    assert_eq!(later, first);
    for (code, more) in [
        ("count", json!({"execution_id": id})),
        (
            code,
            json!({"execution_id": id, "limits": {"wall_ms": 4000}}),
        ),
    ] {
        let other = submit(&daemon, &session, code, &more);
        let other = other.expect_error(409, "EXECUTION_EXISTS");
        assert_eq!(other.json["error"]["details"]["execution_id"], *id);
    }
    let bad = submit(&daemon, &session, "1", &json!({"execution_id": "1"}));
    bad.expect_error(400, "VALIDATION_ERROR");
}

#[test]
fn a_request_can_be_repeated_after_a_restart_and_with_a_refusal() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let [done, loud] = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    let chatty = "for (;;) console.log('x')";
    let first =
        submit(&daemon, &session, "6 * 7", &json!({"execution_id": done})).expect_status(201);
    let refuse = |daemon: &Daemon| {
        submit(daemon, &session, chatty, &json!({"execution_id": loud}))
            .expect_error(422, "OUTPUT_LIMIT_EXCEEDED")
            .json
    };
    let refused = refuse(&daemon);
    let home = daemon.kill();
    let daemon = Daemon::start_in(home);
    let again =
        submit(&daemon, &session, "6 * 7", &json!({"execution_id": done})).expect_status(201);
    assert_eq!(again, first);
    assert_eq!(refuse(&daemon), refused);
}

#[test]
fn a_refused_request_leaves_its_id_free() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let id = uuid::Uuid::new_v4().to_string();
    let more = json!({"execution_id": id});
    let running = submit_without_waiting(
        &daemon,
        &session,
        "await new Promise(done => setTimeout(done, 3000))",
    );
    submit(&daemon, &session, "5", &more).expect_error(409, "SESSION_BUSY");
    wait_until_ended(&daemon, &running);
    assert_eq!(
        submit(&daemon, &session, "5", &more).expect_status(201)["id"],
        *id
    );
}

#[test]
fn events_can_be_waited_for_and_listed_in_pages() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "await new Promise(done => setTimeout(done, 500)); console.log('late'); 1";
    let id = submit_without_waiting(&daemon, &session, code);
    let events = |query: &str| {
        let path = format!("/executions/{id}/events?{query}");
        daemon
            .api
            .get(&path)
            .expect_status(200)
            .as_array()
            .unwrap()
            .clone()
    };
    wait_for("the echo", || (!events("").is_empty()).then_some(()));
    let late = events("after_seq=1&wait_ms=60000");
    assert_eq!(late[0]["payload"]["text"], "late");
    wait_until_ended(&daemon, &id);
    assert_eq!(events("limit=2").len(), 2);
    assert_eq!(events("limit=2&after_seq=2").len(), 1);
    assert_eq!(
        events("after_seq=3&wait_ms=60000").len(),
        0,
        "nothing more will come"
    );
}
