//! Running code: alone, cancelled, and watched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session, wait_for};

use crate::figures::{Table, Times};
use crate::load::SNIPPETS;
use crate::raw::Connection;

const LINES: u32 = 2000;

/// How many streams watch.
const STREAMS: usize = 500;

/// Times executions.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    let session = daemon.session();
    let mut connection = Connection::open(daemon.server());
    for (addition, code) in SNIPPETS {
        let body = json!({"session_id": session.id, "input": code}).to_string();
        let times = Times::of(1000, || {
            let (status, answer) = connection.send("POST", "/executions/repl", &body);
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(answer));
        });
        table.add(&format!("repl: {code}{addition}"), times);
    }
    let cancelled = Times::measured(50, || cancel(daemon, &session));
    table.add("cancelling native code, to the answer", cancelled);
    session.close();
    let session = roomy(daemon);
    let alone = Times::of(100, || chatter(&session));
    let watchers = Watchers::start(daemon, &session);
    let watched = Times::measured(20, || {
        let start = Instant::now();
        chatter(&session);
        let took = start.elapsed();
        // What the streams still have to tell is not this execution's time, and must not be the next one's.
        watchers.wait_until_quiet();
        took
    });
    watchers.stop();
    session.close();
    table.figure(
        format!("watched by {STREAMS} streams an execution takes"),
        watched.p50().as_secs_f64() / alone.p50().as_secs_f64(),
        2,
        " times as long as alone (p50)",
    );
    table.add("2,000 console lines", alone);
    table.add("2,000 console lines, watched by 500 streams", watched);
}

/// Times chatty executions, what their script takes of that, and reading their events again.
pub(crate) fn measure_events(daemon: &Daemon, table: &mut Table) {
    let limits = json!({
        "max_output_kb": 1_000_000, "max_events": 1_000_000, "wall_ms": 60_000, "cpu_ms": 60_000
    });
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    let mut scripts = Vec::new();
    let mut newest = String::new();
    let chatty = Times::measured(5, || {
        let start = Instant::now();
        let ended = session.run("for (let i = 0; i < 50000; i++) console.log('line', i)");
        let took = start.elapsed();
        assert_eq!(ended["status"], "ok", "{ended}");
        let cpu_ms = ended["metrics"]["cpu_ms"].as_f64().unwrap_or_default();
        scripts.push(cpu_ms);
        ended["id"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut newest);
        took
    });
    table.add("50,000 console lines", chatty);
    scripts.sort_unstable_by(f64::total_cmp);
    table.figure(
        "of 50,000 console lines the script itself takes",
        scripts[scripts.len() / 2],
        0,
        " ms of processor time (p50)",
    );
    let mut connection = Connection::open(daemon.server());
    let path = format!("/executions/{newest}/events");
    let fetched = Times::of(10, || {
        let (status, body) = connection.send("GET", &path, "");
        assert_eq!((status, body.is_empty()), (200, false));
    });
    table.add("fetching 50,000 events", fetched);
    session.close();
}

/// Times small executions in a session whose heap is larger than 64 MB.
pub(crate) fn measure_large_heap(daemon: &Daemon, table: &mut Table) {
    let limits = json!({"mem_mb": 256, "wall_ms": 60_000, "cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    session.eval(
        "var kept = []; for (let i = 0; i < 400000; i++) kept.push({i, text: 'number ' + i}); 1",
    );
    let ended = session.run("1");
    let heap_bytes = ended["metrics"]["peak_mem_bytes"].as_f64();
    table.figure(
        "the large heap takes",
        heap_bytes.unwrap_or_default() / 1e6,
        0,
        " MB",
    );
    for (addition, code) in SNIPPETS {
        let code = format!("kept[7].i++; {code}");
        let times = Times::of(200, || {
            session.eval(&code);
        });
        let name = format!("repl in a session with a large heap{addition}");
        table.add(&name, times);
    }
    session.close();
}

/// From the request to cancel until it is answered, which is when the execution has ended and is stored.
fn cancel(daemon: &Daemon, session: &Session) -> Duration {
    let body = json!({
        "session_id": session.id, "input": "/^(a+)+$/.test('a'.repeat(40) + 'b')", "wait_ms": 0,
    });
    let started = daemon
        .api
        .post("/executions/repl", &body)
        .expect_status(202);
    let path = format!(
        "/executions/{}/cancel",
        started["id"].as_str().unwrap_or("")
    );
    let start = Instant::now();
    let cancelled = daemon.api.post(&path, &json!({})).expect_status(200);
    let took = start.elapsed();
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    took
}

fn roomy(daemon: &Daemon) -> Session {
    let limits = json!({"max_output_kb": 100_000, "wall_ms": 60_000, "cpu_ms": 60_000});
    daemon.session_of(&daemon.template_with_limits(&limits))
}

fn chatter(session: &Session) {
    let code = format!("for (let i = 0; i < {LINES}; i++) console.log('line', i)");
    let execution: Value = session.run(&code);
    assert_eq!(execution["status"], "ok", "{execution}");
}

/// Streams of a session that are read on a thread of their own; the first is not read at all.
struct Watchers {
    silent: TcpStream,
    reader: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
}

impl Watchers {
    fn start(daemon: &Daemon, session: &Session) -> Self {
        let address = daemon.server().trim_start_matches("http://").to_owned();
        let request = format!(
            "GET /api/v1/sessions/{}/events/stream HTTP/1.1\r\nHost: {address}\r\n\r\n",
            session.id
        );
        let open = || {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            stream.set_nonblocking(true).expect("a setting");
            stream
        };
        let silent = open();
        let mut streams: Vec<TcpStream> = (1..STREAMS).map(|_| open()).collect();
        let (stop, bytes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&bytes));
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while !stopped.load(Ordering::Relaxed) {
                let read: usize = streams
                    .iter_mut()
                    .map(|stream| stream.read(&mut buffer).unwrap_or(0))
                    .sum();
                counted.fetch_add(read as u64, Ordering::Relaxed);
                if read == 0 {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let watchers = Self {
            silent,
            reader,
            stop,
            bytes,
        };
        watchers.wait_until_quiet();
        watchers
    }

    /// Waits until nothing has come for a while.
    fn wait_until_quiet(&self) {
        let mut before = u64::MAX;
        wait_for("the streams to be quiet", || {
            std::thread::sleep(Duration::from_millis(700));
            let now = self.bytes.load(Ordering::Relaxed);
            (std::mem::replace(&mut before, now) == now).then_some(())
        });
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its streams are closed with it.
        let _ = self.reader.join();
        drop(self.silent);
    }
}
