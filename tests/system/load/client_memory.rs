//! The memory of the daemon that clients can use.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use vm_system_tests::{Daemon, Process, wait_for};

use crate::support::cli::output_of;

/// The size of a large body that is accepted, in bytes.
const LARGE: usize = 7_900_000;

/// The bound on the growth of the daemon's memory, in KiB: the budget of 64 MiB, and the same again
/// for everything else.
const MORE_KIB: u64 = 128 * 1024;

/// The bound on the growth after all requests have ended, in KiB.
const LEFT_KIB: u64 = 24 * 1024;

fn address(daemon: &Daemon) -> &str {
    daemon.server().trim_start_matches("http://")
}

#[test]
fn unfinished_bodies_are_bounded_and_small_requests_get_through() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let before = Process::rss_kib(daemon.pid());
    let head = format!(
        "POST /api/v1/templates HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {LARGE}\r\n\r\n",
        address(&daemon)
    );
    let body = vec![b' '; LARGE - 1];
    let unfinished: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(address(&daemon)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            // This fails if the request was refused.
            let _ = stream.write_all(&body);
            stream
        })
        .collect();
    let full = Process::rss_kib(daemon.pid());
    assert!(full < before + MORE_KIB, "{before} KiB, then {full}");
    assert_eq!(session.eval("1 + 1"), "2");
    let code = format!("/*{}*/1", "x".repeat(7_000_000));
    let refused = session.submit(&code).expect_error(503, "UNAVAILABLE");
    assert!(refused.headers.contains_key("retry-after"));
    drop(unfinished);
    wait_for("the memory to be given back", || {
        (Process::rss_kib(daemon.pid()) < before + LEFT_KIB).then_some(())
    });
    assert_eq!(session.eval(&code), "1");
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let daemon = Daemon::start();
    let mut idle: Vec<TcpStream> = (0..1200)
        .map(|_| TcpStream::connect(address(&daemon)).unwrap())
        .collect();
    for stream in idle.iter_mut().step_by(2) {
        // Half of the connections begin a head; this fails if one was closed for another.
        let _ = stream.write_all(b"GET /api/v1/health HTTP/1.1\r\nHost:");
    }
    for _ in 0..5 {
        daemon.api.get("/health").expect_status(200);
    }
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

#[test]
fn events_come_in_pages_and_the_command_shows_them_all() {
    let daemon = Daemon::start();
    let limits = json!({"max_output_kb": 102_400, "wall_ms": 60_000, "cpu_ms": 60_000});
    let session = daemon.session_of(&daemon.template_with_limits(&limits));
    let execution = session.run("for (let n = 0; n < 250; n++) console.log('x'.repeat(100_000))");
    let id = execution["id"].as_str().unwrap();
    let before = Process::rss_kib(daemon.pid());
    let path = format!("/executions/{id}/events");
    let portion = daemon.api.get(&path);
    assert!(
        portion.text.len() <= 17 * 1024 * 1024,
        "{}",
        portion.text.len()
    );
    let link = portion.headers["link"].to_str().unwrap().to_owned();
    let count = portion.json.as_array().unwrap().len();
    let rest = format!("</api/v1{path}?after_seq={count}>; rel=\"next\"");
    assert_eq!(link, rest);
    let rest = daemon.api.get(&format!("{path}?after_seq={count}"));
    assert!(!rest.headers.contains_key("link"));
    assert_eq!(count + rest.json.as_array().unwrap().len(), 252);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| daemon.api.get(&path).expect_status(200));
        }
    });
    let peak: u64 = Process::status(daemon.pid(), "VmHWM").parse().unwrap();
    assert!(peak < before + MORE_KIB, "{before} KiB, then {peak}");
    let said = output_of(&mut daemon.cli(&["exec", "events", id, "--output", "json"]));
    let all: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let numbers: Vec<_> = all
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=252).collect::<Vec<_>>());
    for arguments in [
        &["exec", "events", id] as &[_],
        &["exec", "events", id, "--follow"],
    ] {
        let said = output_of(&mut daemon.cli(arguments));
        assert_eq!(said.stdout.lines().count(), 252);
    }
}
