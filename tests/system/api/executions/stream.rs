//! Following executions: event streams, waiting, and requests that are sent again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, DaemonOptions, Process, Session, command, wait_for};

use crate::support::cli::output_of;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// An open stream.
pub struct EventStream(BufReader<TcpStream>);

impl EventStream {
    pub fn open(daemon: &Daemon, path: &str, last_event_id: Option<&str>) -> Self {
        let address = daemon.server().trim_start_matches("http://").to_owned();
        let mut connection = TcpStream::connect(&address).unwrap();
        let resume = last_event_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!(
            "GET /api/v1{path} HTTP/1.1\r\nHost: {address}\r\n{resume}Connection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Self(reader)
    }

    /// The next thing that is sent; nothing at the end. The lines that frame the chunks of the body are skipped: they have
    /// no colon.
    pub fn next(&mut self) -> Option<StreamEvent> {
        let mut sent = StreamEvent {
            id: None,
            name: "message".into(),
            data: Value::Null,
        };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => sent.id = Some(id.into()),
                Some(("event", name)) => sent.name = name.into(),
                Some(("data", data)) => {
                    sent.data = serde_json::from_str(data).unwrap();
                    return Some(sent);
                }
                _ => {}
            }
        }
    }

    fn rest(mut self) -> Vec<StreamEvent> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

fn submit(daemon: &Daemon, session: &Session, code: &str, more: &Value) -> Answer {
    let mut body = json!({"session_id": session.id, "input": code});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    daemon.api.post("/executions/repl", &body)
}

/// Starts a snippet and does not wait for it.
fn submit_without_waiting(daemon: &Daemon, session: &Session, code: &str) -> String {
    let started = submit(daemon, session, code, &json!({"wait_ms": 0}));
    let execution = started.expect_status(202);
    assert_eq!(execution["status"], "running", "{execution}");
    execution["id"].as_str().unwrap().to_owned()
}

fn stream_path(id: &str) -> String {
    format!("/executions/{id}/events/stream")
}

fn wait_until_ended(daemon: &Daemon, id: &str) -> Value {
    // There may be much to store.
    let path = format!(
        "/executions/{id}/events?after_seq={}&wait_ms=300000",
        i64::MAX
    );
    daemon.api.get(&path).expect_status(200);
    wait_for("the execution to end", || {
        let execution = daemon
            .api
            .get(&format!("/executions/{id}"))
            .expect_status(200);
        (execution["status"] != "running").then_some(execution)
    })
}

/// A session whose executions may write much and run for five minutes.
fn session_with_large_limits(daemon: &Daemon) -> Session {
    let limits = json!({
        "max_events": 1_000_000, "max_output_kb": 1_000_000, "wall_ms": 300_000, "cpu_ms": 300_000,
    });
    daemon.session_of(&daemon.template_with_limits(&limits))
}

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

/// Runs a snippet that writes 5000 lines; gives its `wall_ms`.
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
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        ..DaemonOptions::default()
    });
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

#[test]
fn the_commands_start_follow_and_wait() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let cli = |args: &[&str]| output_of(&mut daemon.cli(args)).ok();
    let code = "for (let i = 0; i < 3; i++) { console.log(i); await new Promise(done => setTimeout(done, 100)) }";
    let started = cli(&["exec", "repl", &session.id, code, "--no-wait"]);
    let id = started.trim_end().strip_prefix("Execution ID: ").unwrap();
    let followed = cli(&["exec", "events", id, "--follow"]);
    assert_eq!(followed.lines().count(), 5, "{followed}");
    assert_eq!(cli(&["exec", "events", id]), followed);
    let waited = cli(&["exec", "wait", id]);
    assert!(waited.contains("Status: ok"), "{waited}");
    let lines = cli(&["--output", "json", "exec", "events", id, "--follow"]);
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    std::fs::write(daemon.home().join("code.js"), "40 + 2").unwrap();
    let from_file = cli(&["exec", "repl", &session.id, "-f", "code.js"]);
    assert!(from_file.contains("\"preview\":\"42\""), "{from_file}");
    let mut piped = daemon.cli(&["exec", "repl", &session.id, "-"]);
    piped.stdin(std::fs::File::open(daemon.home().join("code.js")).unwrap());
    assert_eq!(
        output_of(&mut piped).ok().lines().nth(1),
        from_file.lines().nth(1)
    );
}

/// A proxy that closes each connection after 2000 bytes of the response.
fn cut_connections(proxy: &TcpListener, target: &str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (mut client, _) = proxy.accept().unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let mut request = [0; 4096];
        let length = client.read(&mut request).unwrap_or(0);
        server.write_all(&request[..length]).unwrap();
        let mut left = 2000_usize;
        let mut piece = [0; 200];
        while left > 0 {
            let length = server.read(&mut piece).unwrap_or(0);
            if length == 0 || client.write_all(&piece[..length]).is_err() {
                break;
            }
            left = left.saturating_sub(length);
        }
    }
}

#[test]
fn following_survives_connections_that_break() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    let daemon = Daemon::start_with(DaemonOptions {
        args: vec!["--allow-host".into(), address.clone()],
        ..DaemonOptions::default()
    });
    let session = session_with_large_limits(&daemon);
    let code = "for (let i = 0; i < 60; i++) { console.log(i); await new Promise(done => setTimeout(done, 30)) }";
    let id = submit_without_waiting(&daemon, &session, code);
    let target = daemon.server().trim_start_matches("http://").to_owned();
    let stop = AtomicBool::new(false);
    let followed = std::thread::scope(|scope| {
        scope.spawn(|| cut_connections(&proxy, &target, &stop));
        let mut follow = command();
        let url = format!("http://{address}");
        follow.args(["--server-url", &url, "exec", "events", &id, "--follow"]);
        let followed = output_of(&mut follow);
        stop.store(true, Ordering::Relaxed);
        // The proxy waits for a connection.
        drop(TcpStream::connect(&address));
        followed
    });
    assert_eq!(followed.status, 0, "{}", followed.stderr);
    let stored = output_of(&mut daemon.cli(&["exec", "events", &id])).ok();
    assert_eq!(followed.stdout, stored);
}
