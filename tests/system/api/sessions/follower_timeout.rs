//! Sessions that are closed when their client has gone.

use serde_json::json;
use vm_system_tests::{Daemon, Session};

use crate::support::event_stream::EventStream;
use crate::support::follower_timeout::{
    request_with_follower_timeout, session_with_follower_timeout, status, wait_until_closed,
};

fn stream_of(session: &Session) -> String {
    format!("/sessions/{}/events/stream", session.id)
}

/// Opens the stream of a session, and waits for its first message.
fn followed(daemon: &Daemon, session: &Session, query: &str) -> EventStream {
    let mut stream = EventStream::open(daemon, &format!("{}{query}", stream_of(session)), None);
    assert_eq!(stream.next().unwrap().name, "session");
    stream
}

#[test]
fn a_session_that_needs_a_follower_is_closed_without_one_and_says_why() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let session = session_with_follower_timeout(&daemon, &template, 200);
    wait_until_closed(&session);
    let record = session.record();
    let reason = record["last_error"].as_str().unwrap();
    assert!(
        reason.contains("no client followed its event stream for 0.2 s"),
        "{reason}"
    );
    session.submit("1").expect_error(409, "SESSION_NOT_READY");
}

#[test]
fn a_session_is_kept_by_its_followers_and_by_followers_that_return_in_time() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let plain = daemon.session();
    for query in ["", "?executions=false", "?executions=true"] {
        let kept = session_with_follower_timeout(&daemon, &template, 2000);
        let first = followed(&daemon, &kept, query);
        let second = followed(&daemon, &kept, query);
        drop(first);
        let resumed = session_with_follower_timeout(&daemon, &template, 2000);
        drop(followed(&daemon, &resumed, query));
        let back = followed(&daemon, &resumed, query);
        // When this session is closed, the timeout of the other sessions is over as well.
        wait_until_closed(&session_with_follower_timeout(&daemon, &template, 3000));
        assert_eq!(status(&kept), "ready");
        assert_eq!(status(&resumed), "ready");
        drop(second);
        drop(back);
        wait_until_closed(&kept);
        wait_until_closed(&resumed);
    }
    assert_eq!(status(&plain), "ready", "it needs no follower");
}

#[test]
fn what_runs_in_a_session_without_a_follower_is_cancelled() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.raise_time_limits(&template);
    let session = session_with_follower_timeout(&daemon, &template, 1000);
    let stream = followed(&daemon, &session, "?executions=false");
    let running = json!({"session_id": session.id, "input": "while (true);", "wait_ms": 0});
    let running = daemon
        .api
        .post("/executions/repl", &running)
        .expect_status(202);
    drop(stream);
    wait_until_closed(&session);
    let path = format!("/executions/{}", running["id"].as_str().unwrap());
    let execution = daemon.api.get(&path).expect_status(200);
    assert_eq!(execution["status"], "cancelled", "{execution}");
    daemon.wait_until_sessions_are_gone();
}

#[test]
fn a_stream_without_executions_has_the_sessions_status_alone() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("1");
    let mut stream = followed(&daemon, &session, "?executions=false");
    session.eval("console.log('seen by others'); 2");
    session.close();
    let end = stream.next().unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data["status"]),
        ("session", &json!("closed"))
    );
    assert!(stream.next().is_none());
    let wrong = daemon
        .api
        .get(&format!("{}?executions=no", stream_of(&session)));
    wrong.expect_error(400, "VALIDATION_ERROR");
}

#[test]
fn an_invalid_timeout_is_refused() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let refused = request_with_follower_timeout(&daemon, &template, &json!(0))
        .expect_error(400, "VALIDATION_ERROR");
    assert!(
        refused.message().contains("unwatched_timeout_ms"),
        "{}",
        refused.message()
    );
    for wrong in [json!("60s"), json!(-1), json!(1.5)] {
        request_with_follower_timeout(&daemon, &template, &wrong)
            .expect_error(400, "INVALID_REQUEST");
    }
    assert_eq!(daemon.api.get("/sessions").expect_status(200), json!([]));
    let session =
        request_with_follower_timeout(&daemon, &template, &json!(u64::MAX)).expect_status(201);
    assert_eq!(session["status"], "ready");
}
