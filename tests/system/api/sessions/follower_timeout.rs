//! Sessions that are closed when the client that they were made for is gone.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session, Terminal, wait_for};

use crate::api::executions::stream::EventStream;
use crate::cli::repl::console::repl;

/// A session that is closed when it has had no follower for that time, in milliseconds.
fn session_with_follower_timeout(daemon: &Daemon, template: &str, timeout_ms: u64) -> Session {
    let record =
        request_with_follower_timeout(daemon, template, &json!(timeout_ms)).expect_status(201);
    daemon.session_with_id(record["id"].as_str().unwrap())
}

fn request_with_follower_timeout(
    daemon: &Daemon,
    template: &str,
    timeout_ms: &Value,
) -> vm_system_tests::Answer {
    let body = json!({
        "template_id": template,
        "workspace_id": "test",
        "base_commit_oid": "HEAD",
        "worktree_path": daemon.worktree(),
        "unwatched_timeout_ms": timeout_ms,
    });
    daemon.api.post("/sessions", &body)
}

fn status(session: &Session) -> Value {
    session.record()["status"].clone()
}

fn wait_until_closed(session: &Session) {
    wait_for("the session to be closed", || {
        (status(session) == "closed").then_some(())
    });
}

fn stream_of(session: &Session) -> String {
    format!("/sessions/{}/events/stream", session.id)
}

/// A stream of a session that has begun.
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
        reason.contains("nobody followed its event stream for 0.2 s"),
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
        // When this one is closed, the timeout of all others has passed too.
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

/// The sessions that consoles have made.
fn own_sessions(daemon: &Daemon) -> Vec<Session> {
    let all = daemon.api.get("/sessions").expect_status(200);
    let own = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["workspace_id"] == "repl");
    own.map(|session| daemon.session_with_id(session["id"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_console_that_is_killed_leaves_no_session_of_its_own_and_every_other() {
    let daemon = Daemon::start();
    let others = daemon.session_with_long_limits();
    let start = |args: &[&str]| {
        let args = [&["--server-url", daemon.server()], args].concat();
        let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
        terminal.wait_for_text("> ");
        terminal
    };
    let own = start(&["--linger", "1s"]);
    let mut busy = start(&["--linger", "1s"]);
    let mut kept = start(&["--linger", "1s"]);
    let at_others = start(&[&others.id]);
    busy.type_keys("console.log('be' + 'gun'); while (true);\r");
    busy.wait_for_text("begun");
    assert_eq!(own_sessions(&daemon).len(), 3);
    for terminal in [&own, &busy, &at_others] {
        kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
    }
    wait_for("two of the sessions to be closed", || {
        let closed = own_sessions(&daemon)
            .iter()
            .filter(|session| status(session) == "closed")
            .count();
        (closed == 2).then_some(())
    });
    assert_eq!(status(&others), "ready");
    kept.type_keys("6 * 7\r");
    kept.wait_for_text("\n42\r\n");
    // Its terminal goes away.
    drop(kept);
    for session in own_sessions(&daemon) {
        wait_until_closed(&session);
    }
    assert_eq!(status(&others), "ready");
}

#[test]
fn a_console_keeps_its_session_beyond_the_time_that_it_may_be_gone() {
    let daemon = Daemon::start();
    let args = ["--server-url", daemon.server(), "--linger", "1s"];
    let mut terminal = Terminal::start(repl(daemon.home(), &args), 80);
    terminal.wait_for_text("> ");
    terminal.type_keys("kept = 41\r");
    terminal.wait_for_text("\n41\r\n");
    wait_until_closed(&session_with_follower_timeout(
        &daemon,
        &daemon.template(),
        2500,
    ));
    terminal.type_keys("kept + 1\r");
    terminal.wait_for_text("\n42\r\n");
}

#[test]
fn the_linger_time_of_a_console_is_sixty_seconds_by_default() {
    let help =
        crate::support::cli::output_of(vm_system_tests::command().args(["repl", "--help"])).ok();
    let (_, linger) = help.split_once("--linger").unwrap();
    assert!(linger.contains("[default: 60s]"), "{help}");
}
