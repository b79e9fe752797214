//! Running code: alone, cancelled, and watched.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session, wait_for};

use crate::figures::{Table, Times};

const LINES: u32 = 2000;

/// How many streams watch.
const STREAMS: usize = 500;

/// Times executions.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    let session = daemon.session();
    table.add(
        "repl: 1 + 1",
        &Times::of(500, || {
            session.eval("1 + 1");
        }),
    );
    let cancelled = Times::measured(50, || cancel(daemon, &session));
    table.add("cancelling native code, to the answer", &cancelled);
    let session = roomy(daemon);
    let alone = Times::of(20, || chatter(&session));
    table.add("2,000 console lines", &alone);
    let streams = watch(daemon, &session);
    let watched = Times::of(20, || chatter(&session));
    table.add("2,000 console lines, watched by 500 streams", &watched);
    drop(streams);
    table.say(format!(
        "watched by {STREAMS} streams an execution takes {:.2} times as long as alone (p50)",
        watched.p50().as_secs_f64() / alone.p50().as_secs_f64()
    ));
}

/// From the request to cancel until it is answered, which is when the execution has ended and is stored.
fn cancel(daemon: &Daemon, session: &Session) -> Duration {
    let body = json!({
        "session_id": session.id, "input": "/^(a+)+$/.test('a'.repeat(40) + 'b')", "wait_ms": 0,
    });
    let started = daemon.api.post("/executions/repl", &body).expect(202);
    let path = format!(
        "/executions/{}/cancel",
        started["id"].as_str().unwrap_or("")
    );
    let start = Instant::now();
    let cancelled = daemon.api.post(&path, &json!({})).expect(200);
    let took = start.elapsed();
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    took
}

fn roomy(daemon: &Daemon) -> Session {
    let template = daemon.template();
    let limits = json!({"limits": {"max_output_kb": 100_000, "wall_ms": 60_000, "cpu_ms": 60_000}});
    let path = format!("/templates/{template}");
    daemon.api.patch(&path, &limits).expect(200);
    daemon.session_of(&template)
}

fn chatter(session: &Session) {
    let code = format!("for (let i = 0; i < {LINES}; i++) console.log('line', i)");
    let execution: Value = session.run(&code);
    assert_eq!(execution["status"], "ok", "{execution}");
}

/// Streams of the session that are read on threads of their own; the first is not read at all.
fn watch(daemon: &Daemon, session: &Session) -> Vec<TcpStream> {
    let address = daemon.server().trim_start_matches("http://").to_owned();
    let request = format!(
        "GET /api/v1/sessions/{}/events/stream HTTP/1.1\r\nHost: {address}\r\n\r\n",
        session.id
    );
    let streams: Vec<TcpStream> = (0..STREAMS)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            stream
        })
        .collect();
    let mut reading: Vec<TcpStream> = streams[1..]
        .iter()
        .map(|stream| stream.try_clone().expect("a descriptor"))
        .collect();
    for stream in &reading {
        stream.set_nonblocking(true).expect("a setting");
    }
    let (say_heard, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        let mut open = vec![false; reading.len()];
        loop {
            let mut any = false;
            for (stream, open) in reading.iter_mut().zip(&mut open) {
                match stream.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(_) => (any, *open) = (true, true),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
            if open.iter().all(|open| *open) {
                // Said once and for all.
                let _ = say_heard.send(());
            }
            if !any {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    wait_for("all streams to be open", || heard.try_recv().ok());
    streams
}
