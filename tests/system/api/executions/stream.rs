//! The event stream of an execution.

use vm_system_tests::{Daemon, Process, Session};

use crate::support::event_stream::EventStream;
use crate::support::executions::{
    session_with_large_limits, stream_path, submit_without_waiting, wait_until_ended,
};

#[test]
fn an_execution_is_streamed_as_it_happens_and_to_its_end() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "console.log('first'); await new Promise(done => setTimeout(done, 3000)); console.log('last'); 7";
    let id = submit_without_waiting(&daemon, &session, code);
    let mut stream = EventStream::open(&daemon, &stream_path(&id), None);
    assert_eq!(stream.next().unwrap().data["type"], "input_echo");
    let first = stream.next().unwrap();
    assert_eq!(first.data["payload"]["text"], "first");
    let running = daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_status(200);
    assert_eq!(running["status"], "running", "it is told before the end");
    let rest = stream.rest();
    let names: Vec<_> = rest.iter().map(|sent| &*sent.name).collect();
    assert_eq!(names, ["message", "message", "end"]);
    assert_eq!(rest[1].data["type"], "value");
    let execution = daemon
        .api
        .get(&format!("/executions/{id}"))
        .expect_status(200);
    assert_eq!(rest[2].data, execution);
    // A client that has seen the end finds the session free.
    assert_eq!(session.eval("1"), "1");
    let again = EventStream::open(&daemon, &stream_path(&id), None).rest();
    let stored = session.events(&execution);
    assert_eq!(again.len(), stored.len() + 1);
    for (sent, event) in again.iter().zip(&stored) {
        assert_eq!(sent.data, *event);
        assert_eq!(sent.id.as_deref(), Some(&*event["seq"].to_string()));
    }
    let later = EventStream::open(&daemon, &stream_path(&id), Some("3")).rest();
    assert_eq!(later, again[3..]);
    let after = format!("{}?after_seq=3", stream_path(&id));
    assert_eq!(EventStream::open(&daemon, &after, None).rest(), again[3..]);
}

#[test]
fn a_stream_of_an_unknown_record_is_refused() {
    let daemon = Daemon::start();
    let unknown = "00000000-0000-4000-8000-000000000000";
    daemon
        .api
        .get(&stream_path(unknown))
        .expect_error(404, "EXECUTION_NOT_FOUND");
    daemon
        .api
        .get(&format!("/sessions/{unknown}/events/stream"))
        .expect_error(404, "SESSION_NOT_FOUND");
    let session = daemon.session();
    let path = format!("/sessions/{}/events/stream", session.id);
    let request = daemon.api.request(reqwest::Method::GET, &path);
    daemon
        .api
        .send(request.header("last-event-id", "nonsense"))
        .expect_error(400, "VALIDATION_ERROR");
}

/// Each connection is dropped after a few events, at any point of the stream.
#[test]
fn a_client_that_reconnects_a_thousand_times_gets_every_event_once() {
    const LINES: usize = 100_000;
    const CONNECTIONS: usize = 1000;
    let daemon = Daemon::start();
    let session = session_with_large_limits(&daemon);
    let code = format!("for (let i = 0; i < {LINES}; i++) console.log(i)");
    let id = submit_without_waiting(&daemon, &session, &code);
    let (mut seen, mut last) = (Vec::new(), None::<String>);
    for connection in 0.. {
        let mut stream = EventStream::open(&daemon, &stream_path(&id), last.as_deref());
        let take = if connection < CONNECTIONS {
            1 + (connection * 37) % 150
        } else {
            usize::MAX
        };
        let mut is_over = false;
        for _ in 0..take {
            let sent = stream.next().expect("a stream ends with its end");
            if sent.name == "end" {
                is_over = true;
                break;
            }
            last.clone_from(&sent.id);
            seen.push(sent.data["seq"].as_u64().unwrap());
        }
        if is_over {
            assert!(
                connection >= 300,
                "it was over after {connection} connections"
            );
            break;
        }
    }
    assert_eq!(seen.len(), LINES + 2);
    assert!(seen.iter().copied().eq(1..=LINES as u64 + 2));
    let execution = wait_until_ended(&daemon, &id);
    assert_eq!(execution["metrics"]["events"], LINES + 2);
}

/// Runs a snippet that writes 5000 lines; returns its `wall_ms`.
fn wall_ms_of_chatter(daemon: &Daemon, session: &Session) -> f64 {
    let code = "for (let i = 0; i < 5000; i++) console.log('line', i)";
    let id = submit_without_waiting(daemon, session, code);
    let execution = wait_until_ended(daemon, &id);
    assert_eq!(execution["status"], "ok", "{execution}");
    execution["metrics"]["wall_ms"].as_f64().unwrap()
}

#[test]
fn a_follower_that_does_not_read_costs_no_memory_and_stops_no_other() {
    let daemon = Daemon::start();
    let session = session_with_large_limits(&daemon);
    let code = "for (let i = 0; i < 40000; i++) console.log('x'.repeat(500))";
    let id = submit_without_waiting(&daemon, &session, code);
    let silent: Vec<_> = (0..20)
        .map(|_| EventStream::open(&daemon, &stream_path(&id), None))
        .collect();
    let execution = wait_until_ended(&daemon, &id);
    assert_eq!(execution["status"], "ok", "{execution}");
    // Twenty times the whole execution would be 400 MB.
    let resident = Process::rss_kib(daemon.pid());
    assert!(resident < 250_000, "{resident} kB");
    drop(silent);
    assert!(wall_ms_of_chatter(&daemon, &session) > 0.0);
}

#[test]
fn a_daemon_that_stops_ends_its_streams() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let id = submit_without_waiting(
        &daemon,
        &session,
        "await new Promise(done => setTimeout(done, 60000))",
    );
    let execution = EventStream::open(&daemon, &stream_path(&id), None);
    let path = format!("/sessions/{}/events/stream", session.id);
    let session = EventStream::open(&daemon, &path, None);
    let ends = [execution, session].map(|stream| std::thread::spawn(move || stream.rest()));
    daemon.stop();
    for end in ends {
        end.join().unwrap();
    }
}
