//! A minimal HTTP client. It runs on the same processors as the daemon that is measured, so it must
//! cost next to nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A persistent connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: String,
    body: Vec<u8>,
}

impl Connection {
    /// Connects to the daemon at `http://host:port`.
    pub(crate) fn open(server: &str) -> Self {
        let host = server.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&host).expect("a connection");
        stream.set_nodelay(true).expect("a setting");
        Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            host,
            body: Vec::new(),
        }
    }

    /// Sends a request to a path below `/api/v1` and returns the status and the body.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> (u16, &[u8]) {
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the daemon is there");
        let status = self
            .line()
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let mut length = 0;
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().expect("a length is a number");
            }
        }
        self.body.resize(length, 0);
        self.stream
            .read_exact(&mut self.body)
            .expect("a whole body");
        (status.expect("a status"), &self.body)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.truncate(line.trim_end().len());
        line
    }
}
