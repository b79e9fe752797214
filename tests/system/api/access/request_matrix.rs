//! Host, origin, token and content type of a request, in all combinations.

use std::io::{Read, Write};

use crate::api::access::daemons::daemon_with_token;

/// Headers, and whether they are allowed.
type Choice<'a> = (Vec<(&'a str, &'a str)>, bool);

/// A request of the matrix: its headers, and whether each of them is allowed.
struct Cell<'a> {
    method: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    /// Host, origin, token and content type.
    allowed: [bool; 4],
}

impl Cell<'_> {
    fn request(&self, body: &str) -> String {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
            .collect();
        format!(
            "{} /api/v1/templates HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.method,
            body.len()
        )
    }

    fn expected_status(&self) -> u16 {
        let [host, origin, token, kind] = self.allowed;
        let has = |start: &str| self.headers.iter().any(|(name, _)| name.starts_with(start));
        // A body without a type is JSON, unless a browser may have sent it.
        let kind = kind || !(has("Content-Type") || has("Origin") || has("Sec-Fetch-"));
        match (host && origin, token, self.method, kind) {
            (false, ..) => 403,
            (_, false, ..) => 401,
            (.., "GET" | "HEAD", _) => 200,
            (.., "POST", true) => 201,
            (.., "POST", false) => 415,
            _ => 405,
        }
    }
}

#[test]
fn only_a_request_with_all_headers_allowed_is_accepted() {
    let (daemon, token) = daemon_with_token(&[
        "--allow-host",
        "box.local:80",
        "--allow-origin",
        "https://console.example",
    ]);
    let own_origin = daemon.server().to_owned();
    let own = own_origin.trim_start_matches("http://");
    let port = own.rsplit(':').next().unwrap();
    let [name, loopback] = ["localhost", "[::1]"].map(|host| format!("{host}:{port}"));
    let good = format!("Bearer {token}");
    let hosts: [Choice<'_>; 8] = [
        (vec![("Host", own)], true),
        (vec![("Host", &name)], true),
        (vec![("Host", &loopback)], true),
        (vec![("Host", "box.local:80")], true),
        (vec![("Host", "evil.example")], false),
        (vec![("Host", "localhost")], false),
        (vec![("Host", own), ("Host", own)], false),
        (vec![], false),
    ];
    let origins: [Choice<'_>; 8] = [
        (vec![], true),
        (vec![("Origin", &own_origin)], true),
        (vec![("Origin", "https://console.example")], true),
        (vec![("Sec-Fetch-Site", "same-origin")], true),
        (vec![("Origin", "https://evil.example")], false),
        (vec![("Origin", "null")], false),
        (vec![("Sec-Fetch-Site", "cross-site")], false),
        (vec![("Sec-Fetch-Site", "same-site")], false),
    ];
    let tokens: [Choice<'_>; 3] = [
        (vec![], false),
        (vec![("Authorization", "Bearer no")], false),
        (vec![("Authorization", &good)], true),
    ];
    let kinds: [Choice<'_>; 3] = [
        (vec![], false),
        (vec![("Content-Type", "text/plain")], false),
        (vec![("Content-Type", "application/json")], true),
    ];
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let mut cells = Vec::new();
    for host in &hosts {
        for origin in &origins {
            for token in &tokens {
                for kind in &kinds {
                    cells.extend(methods.map(|method| Cell {
                        method,
                        headers: [&host.0[..], &origin.0, &token.0, &kind.0].concat(),
                        allowed: [host.1, origin.1, token.1, kind.1],
                    }));
                }
            }
        }
    }
    for (number, cell) in cells.iter().enumerate() {
        let request = cell.request(&format!("{{\"name\": \"t{number}\"}}"));
        assert_eq!(
            status_of(own, &request),
            cell.expected_status(),
            "{request}"
        );
    }
}

fn status_of(address: &str, request: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1);
    status
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{request}{answer}"))
}
