//! An HTTP server for tests of `fetch`. No request leaves the loopback interface.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use vm_system_tests::{Daemon, Session};

use crate::support::attempts::{js_literal, template_with_capabilities};

/// A small HTTP server. `/to?URL` redirects to the URL, `/to307?URL` does so with status 307; the
/// answer to every other request is its path.
pub(crate) struct Server {
    /// The port on 127.0.0.1.
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts the server on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || serve(connection.unwrap(), &log));
            }
        });
        Self { port, asked }
    }

    /// The request lines that were received.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let first = lines.first()?.clone();
        log.lock().unwrap().push(first.clone());
        let path = first.split(' ').nth(1)?.to_owned();
        let redirect = |status: u16, target: &str| {
            format!(
                "HTTP/1.1 {status} Elsewhere\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let answer = match path.split_once('?') {
            Some(("/to", target)) => redirect(302, target),
            Some(("/to307", target)) => redirect(307, target),
            _ => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                path.len()
            ),
        };
        connection.write_all(answer.as_bytes()).ok()?;
    }
}

/// A session whose capabilities grant the hosts `given` and deny the hosts `taken`.
#[track_caller]
pub(crate) fn net_session(daemon: &Daemon, given: &[String], taken: &[&str]) -> Session {
    let mut capabilities = vec![("net", "given", true, json!({"hosts": given}))];
    if !taken.is_empty() {
        capabilities.push(("net", "taken", false, json!({"hosts": taken})));
    }
    let template = template_with_capabilities(daemon, &[], &capabilities);
    // Resolving an unknown name may take long.
    daemon.raise_time_limits(&template);
    daemon.session_of(&template)
}

/// The expression that fetches the text of a URL.
pub(crate) fn fetch_text(url: &str) -> String {
    format!("fetch({}).then(answer => answer.text())", js_literal(url))
}
