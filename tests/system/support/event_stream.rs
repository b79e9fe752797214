//! A client of event streams.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;
use vm_system_tests::Daemon;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamEvent {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// An open stream.
pub(crate) struct EventStream(BufReader<TcpStream>);

impl EventStream {
    /// Opens the stream at a path below `/api/v1`, after an event that was received already, or
    /// from the start.
    pub(crate) fn open(daemon: &Daemon, path: &str, last_event_id: Option<&str>) -> Self {
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

    /// The next event or comment; `None` at the end. The lines that frame the chunks of the body
    /// are skipped: they have no colon.
    pub(crate) fn next(&mut self) -> Option<StreamEvent> {
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

    /// The events up to the end.
    pub(crate) fn rest(mut self) -> Vec<StreamEvent> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
