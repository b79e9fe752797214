//! Bodies that the daemon drains: the client gets its answer, and its connection stays open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use vm_system_tests::Daemon;

/// More than the daemon reads of a request at once, in bytes.
const LARGE: usize = 1024 * 1024;

/// A connection on which requests are written byte by byte, without an HTTP client.
struct Connection(BufReader<TcpStream>);

/// The head of an answer in lower case, and its body.
struct Reply {
    head: String,
    body: String,
}

impl Connection {
    fn open(daemon: &Daemon) -> Self {
        let address = daemon.server().trim_start_matches("http://");
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    fn send(&mut self, daemon: &Daemon, request: &str, headers: &str, body: &[u8]) {
        let host = daemon.server().trim_start_matches("http://");
        let head = format!("{request} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let stream = self.0.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    }

    fn reply(&mut self) -> Reply {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).unwrap();
            assert!(read > 0, "the connection ended: {head:?}");
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("an answer has a length");
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Reply {
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    /// Whether another request on the connection is answered.
    fn assert_goes_on(&mut self, daemon: &Daemon) {
        self.send(daemon, "GET /api/v1/health", "", b"");
        let reply = self.reply();
        assert!(reply.head.starts_with("http/1.1 200"), "{}", reply.head);
    }
}

/// Sends a large body, and checks the answer and that the connection stays open.
#[track_caller]
fn assert_answered(daemon: &Daemon, request: &str, headers: &str, length: usize, code: &str) {
    let mut connection = Connection::open(daemon);
    let headers = format!("Content-Length: {length}\r\n{headers}");
    connection.send(daemon, request, &headers, &vec![b' '; length]);
    let reply = connection.reply();
    assert!(reply.body.contains(code), "{}", reply.body);
    assert!(!reply.head.contains("connection: close"), "{}", reply.head);
    connection.assert_goes_on(daemon);
}

const TEXT: &str = "Content-Type: text/plain\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn a_connection_stays_open_after_a_body_that_its_route_does_not_take() {
    let daemon = Daemon::start();
    let cancel = format!("POST /api/v1/executions/{UNKNOWN_ID}/cancel");
    assert_answered(&daemon, &cancel, JSON, LARGE, "EXECUTION_NOT_FOUND");
    let close = format!("POST /api/v1/sessions/{UNKNOWN_ID}/close");
    assert_answered(&daemon, &close, JSON, LARGE, "SESSION_NOT_FOUND");
    assert_answered(&daemon, "DELETE /nowhere", JSON, LARGE, "NOT_FOUND");
}

#[test]
fn a_connection_stays_open_after_a_body_that_is_refused() {
    let daemon = Daemon::start();
    let create = "POST /api/v1/templates";
    assert_answered(&daemon, create, TEXT, LARGE, "UNSUPPORTED_MEDIA_TYPE");
    assert_answered(&daemon, create, JSON, 40 * LARGE, "PAYLOAD_TOO_LARGE");
    let foreign = "Origin: https://example.com\r\n";
    assert_answered(&daemon, create, foreign, LARGE, "FORBIDDEN_ORIGIN");
}

/// Sends the beginning of a request, and checks the refusal and that the connection is closed.
#[track_caller]
fn assert_refused(daemon: &Daemon, headers: &str, beginning: &[u8], status: u16) {
    let mut connection = Connection::open(daemon);
    connection.send(daemon, "POST /api/v1/templates", headers, beginning);
    let reply = connection.reply();
    let line = format!("http/1.1 {status}");
    assert!(reply.head.starts_with(&line), "{}", reply.head);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    let mut rest = String::new();
    connection.0.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_client_that_expects_100_continue_is_not_asked_for_an_unused_body() {
    let daemon = Daemon::start();
    let asking = "Expect: 100-continue\r\n";
    let headers = format!("Content-Length: {LARGE}\r\n{asking}{TEXT}");
    assert_refused(&daemon, &headers, b"", 415);
    let headers = format!("Content-Length: {}\r\n{asking}{JSON}", 9 * LARGE);
    assert_refused(&daemon, &headers, b"", 413);
}

#[test]
fn a_refusal_does_not_wait_for_a_body_that_does_not_come() {
    let daemon = Daemon::start();
    let headers = format!("Content-Length: 100\r\n{TEXT}");
    assert_refused(&daemon, &headers, b"{", 415);
}

#[test]
fn after_a_body_that_is_no_http_the_answer_announces_the_end_of_the_connection() {
    let daemon = Daemon::start();
    let chunked = format!("Transfer-Encoding: chunked\r\n{JSON}");
    assert_refused(&daemon, &chunked, b"zz\r\n", 400);
}

#[test]
fn a_body_without_an_end_is_answered_before_its_connection_ends() {
    let daemon = Daemon::start();
    let mut connection = Connection::open(&daemon);
    let headers = format!("Transfer-Encoding: chunked\r\n{TEXT}");
    connection.send(&daemon, "POST /api/v1/templates", &headers, b"");
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; LARGE], b"\r\n"].concat();
    let mut stream = connection.0.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || while stream.write_all(&chunk).is_ok() {});
    let reply = connection.reply();
    assert!(reply.head.starts_with("http/1.1 415"), "{}", reply.head);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    sending.join().unwrap();
}
