//! Raw requests: framing, addressing and ids that are ambiguous.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use vm_system_tests::Daemon;

/// Sends bytes, in which `HOST` stands for the daemon's address, and returns the whole answer up to
/// the end of the connection.
fn answers(daemon: &Daemon, request: &str) -> String {
    let host = daemon.server().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let request = request.replace("HOST", host).replace('\n', "\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn assert_refused(daemon: &Daemon, request: &str, status: u16) {
    let answer = answers(daemon, request);
    let line = format!("HTTP/1.1 {status}");
    assert!(answer.starts_with(&line), "{request}{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request}{answer}");
}

/// A request that could be parsed as the body of another one, or vice versa.
const HIDDEN: &str = "GET /api/v1/health HTTP/1.1\nHost: HOST\n\n";

#[test]
fn a_body_that_is_framed_in_two_ways_ends_its_connection() {
    let daemon = Daemon::start();
    let post = "POST /api/v1/templates HTTP/1.1\nHost: HOST\nContent-Type: application/json\n";
    for coding in [
        "gzip, chunked",
        "identity, chunked",
        "chunked, chunked",
        "gzip",
        "",
    ] {
        let request = format!("{post}Transfer-Encoding: {coding}\n\n0\n\n{HIDDEN}");
        assert_refused(&daemon, &request, 400);
    }
    let twice = "Transfer-Encoding: gzip\nTransfer-Encoding: chunked\n";
    assert_refused(&daemon, &format!("{post}{twice}\n0\n\n{HIDDEN}"), 400);
    let lengths = "Content-Length: 2\nContent-Length: 3\n";
    assert_refused(&daemon, &format!("{post}{lengths}\n{{}}{HIDDEN}"), 400);
    // If both headers are there, the chunks count, and the bytes after them are no request.
    let name = |name: &str| json!({"name": name}).to_string();
    for headers in [
        "Content-Length: 4\nTransfer-Encoding: chunked\n",
        "Transfer-Encoding: chunked\nContent-Length: 4\n",
    ] {
        let body = name(headers.split(':').next().unwrap());
        let chunk = format!("{:x};a=b\n{body}\n0\n\n", body.len());
        let answer = answers(&daemon, &format!("{post}{headers}\n{chunk}{HIDDEN}"));
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[test]
fn a_request_that_is_addressed_or_marked_in_two_ways_is_refused() {
    let daemon = Daemon::start();
    let end = "Connection: close\n\n";
    for head in [
        "GET http://evil.example/api/v1/templates HTTP/1.1\nHost: HOST\n",
        "GET http://HOST/api/v1/templates HTTP/1.1\nHost: evil.example\n",
        "GET /api/v1/templates HTTP/1.1\nHost: HOST\nHost: HOST\n",
        "GET /api/v1/templates HTTP/1.1\nHost: HOST\nHost: evil.example\n",
        "GET /api/v1/templates HTTP/1.1\nHost: HOST\nSec-Fetch-Site: none\nSec-Fetch-Site: none\n",
        "GET /api/v1/templates HTTP/1.1\nHost: HOST\nSec-Fetch-Site: none\nSec-Fetch-Site: cross-site\n",
        "GET /api/v1/templates HTTP/1.1\nHost: HOST\nOrigin: http://HOST\nOrigin: http://HOST\n",
    ] {
        assert_refused(&daemon, &format!("{head}{end}"), 403);
    }
    let folded = "GET /api/v1/templates HTTP/1.1\nHost: HOST\nX-Other: a\n b\n";
    assert_refused(&daemon, &format!("{folded}{end}"), 400);
    let own = "GET http://HOST/api/v1/templates HTTP/1.1\nHost: HOST\n";
    assert_refused(&daemon, &format!("{own}{end}"), 200);
}
