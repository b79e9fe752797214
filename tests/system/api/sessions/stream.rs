//! The event stream of a session.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::event_stream::EventStream;
use crate::support::executions::session_with_large_limits;

#[test]
fn a_hundred_streams_of_a_session_all_get_every_event() {
    let daemon = Daemon::start();
    let session = session_with_large_limits(&daemon);
    let path = format!("/sessions/{}/events/stream", session.id);
    let streams: Vec<_> = (0..100)
        .map(|_| EventStream::open(&daemon, &path, None))
        .collect();
    let code = "for (let i = 0; i < 300; i++) console.log(i)";
    let execution = session.run(code);
    session.close();
    let stored = session.events(&execution);
    for stream in streams {
        let sent = stream.rest();
        let events: Vec<_> = sent
            .iter()
            .filter(|sent| sent.name == "message")
            .map(|sent| sent.data.clone())
            .collect();
        assert_eq!(events, stored);
        assert_eq!(sent.last().unwrap().data["status"], "closed");
    }
}

#[test]
fn a_session_is_streamed_with_its_executions_and_its_status() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("'before'");
    let path = format!("/sessions/{}/events/stream", session.id);
    let mut stream = EventStream::open(&daemon, &path, None);
    let first = stream.next().unwrap();
    assert_eq!(
        (&*first.name, &first.data["status"]),
        ("session", &json!("ready"))
    );
    session.eval("console.log('hello')");
    session.run("throw 1");
    session.close();
    let sent = stream.rest();
    let names: Vec<_> = sent.iter().map(|sent| &*sent.name).collect();
    assert_eq!(
        names,
        [
            "execution",
            "message",
            "message",
            "message",
            "end",
            "execution",
            "message",
            "message",
            "end",
            "session"
        ]
    );
    assert_eq!(sent[2].data["payload"]["text"], "hello");
    assert_eq!(sent[8].data["status"], "error");
    assert_eq!(sent[9].data["status"], "closed");
    for (place, item) in sent.iter().enumerate() {
        let resumed = EventStream::open(&daemon, &path, item.id.as_deref()).rest();
        // Every follower is sent the state of the session itself.
        let left = &sent[(place + 1).min(sent.len() - 1)..];
        assert_eq!(resumed, left, "after {:?}", item.id);
    }
    let resumed = EventStream::open(&daemon, &path, first.id.as_deref()).rest();
    assert_eq!(resumed, sent);
}

#[test]
fn a_session_without_executions_is_resumed_from_its_start() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let path = format!("/sessions/{}/events/stream", session.id);
    let first = EventStream::open(&daemon, &path, None).next().unwrap();
    assert_eq!(first.id.as_deref(), Some("start"));
    session.eval("'between'");
    session.close();
    let names: Vec<_> = EventStream::open(&daemon, &path, first.id.as_deref())
        .rest()
        .into_iter()
        .map(|sent| sent.name)
        .collect();
    assert_eq!(names, ["execution", "message", "message", "end", "session"]);
}

#[test]
fn a_session_is_streamed_with_records_that_are_too_large_to_be_kept() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let path = format!("/sessions/{}/events/stream", session.id);
    let mut stream = EventStream::open(&daemon, &path, None);
    assert_eq!(stream.next().unwrap().name, "session");
    let code = format!("'{}'", "x".repeat(40_000));
    for _ in 0..3 {
        session.run(&code);
    }
    session.close();
    let sent = stream.rest();
    let of = |name: &'static str| sent.iter().filter(move |sent| sent.name == name);
    assert_eq!(of("execution").count(), 3);
    assert!(of("execution").all(|sent| sent.data["input"] == *code));
    assert_eq!(of("end").count(), 3);
    assert!(of("end").all(|sent| sent.data["input"] == *code));
}
