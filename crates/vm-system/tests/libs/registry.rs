//! A server that plays a registry, or whatever else gives files.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha512;
use sha2::digest::Digest;

/// The server. It serves as long as the test runs.
pub(crate) struct Registry {
    /// `http://host:port`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    first: HashMap<String, Answer>,
    requests: Vec<(String, Option<String>)>,
}

/// What a path is answered with.
#[derive(Clone)]
pub(crate) struct Answer {
    status: &'static str,
    location: Option<String>,
    body: Vec<u8>,
    ranges: bool,
    cut: Option<usize>,
    stall: bool,
}

impl Answer {
    /// The body, or the part of it that is asked for.
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self {
            status: "200 OK",
            location: None,
            body: body.to_vec(),
            ranges: true,
            cut: None,
            stall: false,
        }
    }

    /// No success.
    pub(crate) fn status(status: &'static str) -> Self {
        Self {
            status,
            ranges: false,
            ..Self::ok(b"")
        }
    }

    /// Another path.
    pub(crate) fn redirect(location: &str) -> Self {
        Self {
            location: Some(location.to_owned()),
            ..Self::status("302 Found")
        }
    }

    /// All of it, whatever is asked for.
    pub(crate) fn without_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// Closes the connection after so many bytes of the body.
    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Says nothing more after so many bytes of the body.
    pub(crate) fn stall_at(mut self, bytes: usize) -> Self {
        self.stall = true;
        self.cut_at(bytes)
    }
}

impl Registry {
    /// Starts to serve; every path is unknown.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&served);
                thread::spawn(move || answer(stream.unwrap(), &state));
            }
        });
        Self { url, state }
    }

    /// Has a version of a package.
    pub(crate) fn serve(&self, name: &str, version: &str, tarball: &[u8], fields: Value) {
        let path = format!("/tarballs/{}-{version}.tgz", name.replace("%2F", "-"));
        let mut description = json!({
            "name": name,
            "version": version,
            "dist": {"tarball": path, "integrity": integrity(tarball), "shasum": "wrong"},
        });
        if let (Some(description), Value::Object(fields)) = (description.as_object_mut(), fields) {
            description.extend(fields);
        }
        let description = description.to_string();
        self.answer(
            &format!("/{name}/{version}"),
            Answer::ok(description.as_bytes()),
        );
        self.answer(&path, Answer::ok(tarball));
    }

    /// Answers a path from now on.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), answer);
    }

    /// Answers a path like another one.
    pub(crate) fn alias(&self, path: &str, other: &str) {
        let answer = self.state.lock().unwrap().answers.get(other).cloned();
        if let Some(answer) = answer {
            self.answer(path, answer);
        }
    }

    /// Answers the first request for a path.
    pub(crate) fn first(&self, path: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .first
            .insert(path.to_owned(), answer);
    }

    /// The paths that were asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// The ranges that were asked for of a path.
    pub(crate) fn ranges(&self, path: &str) -> Vec<Option<String>> {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .filter(|(asked, _)| asked == path)
            .map(|(_, range)| range.clone())
            .collect()
    }
}

/// A package as npm makes them.
pub(crate) fn package(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let path = format!("package/{path}");
        archive
            .append_data(&mut header, path, content.as_bytes())
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// A checksum as registries give it.
pub(crate) fn integrity(bytes: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes)))
}

/// A checksum as old registries give it.
pub(crate) fn sha1(bytes: &[u8]) -> String {
    Sha1::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Reads one request and answers it.
fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    while line != "\r\n" && !line.is_empty() {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("range: ") {
            range = Some(value.trim().to_owned());
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push((path.clone(), range.clone()));
        let first = state.first.remove(&path);
        first.or_else(|| state.answers.get(&path).cloned())
    };
    let answer = answer.unwrap_or_else(|| Answer::status("404 Not Found"));
    // A client that has what it needs may be gone.
    let _ = write(&mut stream, &answer, range.as_deref());
}

fn write(stream: &mut TcpStream, answer: &Answer, range: Option<&str>) -> std::io::Result<()> {
    let total = answer.body.len();
    let start = range.filter(|_| answer.ranges).and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let (status, body, content_range) = match start {
        Some(start) if start < total => (
            "206 Partial Content",
            &answer.body[start..],
            format!("Content-Range: bytes {start}-{}/{total}\r\n", total - 1),
        ),
        Some(_) => ("416 Range Not Satisfiable", &[][..], String::new()),
        None => (answer.status, &answer.body[..], String::new()),
    };
    let location = answer.location.as_ref().map_or(String::new(), |location| {
        format!("Location: {location}\r\n")
    });
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{content_range}{location}Connection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body[..answer.cut.unwrap_or(body.len())])?;
    stream.flush()?;
    if answer.stall {
        // Until the client is gone.
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
