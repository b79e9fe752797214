//! Access: tokens, sockets, and the headers that decide whether a request is let in.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use vm_system_tests::{Answer, Daemon, DaemonOptions, Process, Role, command, wait_for};

use crate::support::cli::output_of;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A daemon that asks for a token, which it has made.
fn guarded(more: &[&str]) -> (Daemon, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    let mut args = vec!["--token-file".to_owned(), file.to_str().unwrap().to_owned()];
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        args,
        ..DaemonOptions::default()
    });
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (daemon, token)
}

fn ask(daemon: &Daemon, method: &Method, path: &str, authorization: &[&str]) -> Answer {
    let mut request = daemon.api.request(method.clone(), path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    daemon.api.send(request)
}

#[test]
fn a_daemon_with_a_token_refuses_every_request_without_it() {
    let (daemon, token) = guarded(&[]);
    assert_eq!(mode(&daemon.home().join("token")), 0o600);
    assert!(token.len() >= 32, "{token}");
    let bearer = format!("Bearer {token}");
    let wrong = [
        vec![],
        vec!["Bearer"],
        vec!["Bearer wrong"],
        vec![&token[..]],
        vec![&bearer[..], &bearer[..]],
    ];
    for path in [
        "/templates",
        "/sessions",
        "/runtime/summary",
        "/runtime/sandbox",
        "/nowhere",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for authorization in &wrong {
                let answer = ask(&daemon, &method, path, authorization);
                let answer = answer.expect_error(401, "UNAUTHORIZED");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
                assert!(answer.headers.contains_key("x-request-id"));
                assert!(!answer.text.contains(&token), "{}", answer.text);
            }
        }
    }
    ask(&daemon, &Method::GET, "/health", &[]).expect_status(200);
    ask(&daemon, &Method::GET, "/templates", &[&bearer]).expect_status(200);
    ask(&daemon, &Method::GET, "/nowhere", &[&bearer]).expect_error(404, "NOT_FOUND");
}

#[test]
fn the_commands_take_the_token_from_a_file_or_the_environment() {
    let (daemon, token) = guarded(&[]);
    let file = daemon.home().join("token");
    let file = file.to_str().unwrap();
    let list = ["template", "list"];
    let refused = output_of(&mut daemon.cli(&list));
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.contains("--token-file"),
        "{}",
        refused.stderr
    );
    output_of(&mut daemon.cli(&["template", "list", "--token-file", file])).ok();
    output_of(daemon.cli(&list).env("VM_SYSTEM_TOKEN", &token)).ok();
    let wrong = output_of(daemon.cli(&list).env("VM_SYSTEM_TOKEN", "wrong"));
    assert_eq!(wrong.status, 1);
    let missing = output_of(&mut daemon.cli(&["template", "list", "--token-file", "/nowhere"]));
    assert!(missing.stderr.contains("/nowhere"), "{}", missing.stderr);
}

#[test]
fn the_token_shows_neither_in_the_log_nor_among_the_processes() {
    let (daemon, token) = guarded(&["--log-format", "json"]);
    let bearer = format!("Bearer {token}");
    ask(&daemon, &Method::GET, "/templates", &[&bearer]).expect_status(200);
    ask(&daemon, &Method::GET, &format!("/{token}x"), &[]).expect_error(401, "UNAUTHORIZED");
    let log = wait_for("both requests in the log", || {
        let log = daemon.log();
        (log.matches("answered").count() >= 2).then_some(log)
    });
    let log = log.replace(&format!("/{token}x"), "");
    assert!(!log.contains(&token), "{log}");
    for process in Process::descendants(daemon.pid()) {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&line).contains(&token));
    }
    let line = fs::read_to_string(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
    assert!(!line.contains(&token), "{line}");
}

fn refused_start(args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command();
    serve
        .args(["serve", "--db"])
        .arg(home.path().join("test.db"))
        .args(args)
        .current_dir(home.path());
    let ran = output_of(&mut serve);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    ran.stderr
}

#[test]
fn listening_on_all_interfaces_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let said = refused_start(&["--listen", address]);
        assert!(
            said.contains(address) && said.contains("--token-file"),
            "{said}"
        );
    }
    let (daemon, token) = guarded(&["--listen", "0.0.0.0:0"]);
    let port = daemon.server().rsplit(':').next().unwrap().to_owned();
    let url = format!("http://127.0.0.1:{port}");
    let mut list = command();
    list.args(["--server-url", &url, "template", "list"]);
    output_of(list.env("VM_SYSTEM_TOKEN", &token)).ok();
}

#[test]
fn a_token_that_other_users_can_read_or_guess_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    let path = file.to_str().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--token-file", path];
    for (text, mode, why) in [
        ("a-token-of-enough-characters", 0o644, "chmod 600"),
        ("short", 0o600, "16 or more"),
        ("with spaces in between them all", 0o600, "without spaces"),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = refused_start(&args);
        assert!(said.contains(path) && said.contains(why), "{said}");
        assert!(!said.contains(text), "{said}");
    }
}

/// Sends a request to a daemon on its socket; gives the whole response.
fn over_socket(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_daemon_can_listen_on_a_socket_that_only_its_owner_can_use() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    // What a daemon left that was killed is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        args: vec!["--listen".into(), listen.clone()],
        ..DaemonOptions::default()
    });
    assert_eq!(daemon.server(), listen);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(&daemon.home().join("test.db")), 0o600);
    let cli = |args: &[&str]| output_of(&mut daemon.cli(args)).ok();
    cli(&["template", "create", "--name", "t"]);
    assert!(cli(&["template", "list"]).contains('t'));
    let head = "GET /api/v1/health HTTP/1.1\r\nConnection: close\r\nHost:";
    let answer = over_socket(&socket, &format!("{head} localhost\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = over_socket(&socket, &format!("{head} evil.example\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let said = refused_start(&["--listen", &listen]);
    assert!(said.contains(&listen), "{said}");
    let home = daemon.stop();
    assert!(!home.path().join("socket").exists());
}

#[test]
fn a_file_in_the_place_of_a_socket_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "mine").unwrap();
    let said = refused_start(&["--listen", &format!("unix:{}", file.display())]);
    assert!(said.contains("there is a file of that name"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_run_without_a_daemon_opens_no_port() {
    let home = tempfile::tempdir().unwrap();
    let script = "await new Promise(done => setTimeout(done, 1e9))";
    fs::write(home.path().join("a.js"), script).unwrap();
    let mut run = command();
    run.args(["run", "a.js"]).current_dir(home.path());
    let mut run = run.spawn().unwrap();
    let pid = run.id().cast_signed();
    vm_system_tests::wait_for("its session", || {
        let all = Process::descendants(pid);
        all.iter()
            .any(|process| process.name.starts_with("vms-s-"))
            .then_some(())
    });
    let tcp = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let mut inodes = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[") {
            inodes.push(inode.trim_end_matches(']').to_owned());
        }
    }
    let listens = tcp
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| {
            fields.len() > 9 && fields[3] == "0A" && inodes.iter().any(|i| i == fields[9])
        });
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!listens, "{tcp}");
}

/// What a request says of itself, and whether each of it is allowed.
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

/// Headers, and whether they are allowed.
type Choice<'a> = (Vec<(&'a str, &'a str)>, bool);

#[test]
fn only_a_request_that_is_allowed_in_every_respect_is_let_in() {
    let (daemon, token) = guarded(&[
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

#[test]
fn get_requests_change_nothing() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.eval("x = 1");
    let before = fs::read(daemon.home().join("test.db-wal")).unwrap();
    for path in [
        "/health",
        "/templates",
        "/sessions",
        "/runtime/summary",
        "/runtime/sandbox",
        "/metadata/modules",
        "/metadata/libraries",
        &format!("/sessions/{}", session.id),
        &format!("/executions?session_id={}", session.id),
        &format!("/sessions/{}/close", session.id),
    ] {
        daemon.api.get(path);
    }
    assert_eq!(fs::read(daemon.home().join("test.db-wal")).unwrap(), before);
    assert_eq!(session.record()["status"], "ready");
    daemon.process_of(&session, Role::Session);
}

/// curl is what many clients of a socket use.
#[test]
fn curl_talks_over_a_socket() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", home.path().join("socket").display());
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        args: vec!["--listen".into(), listen],
        ..DaemonOptions::default()
    });
    let mut curl = Command::new("curl");
    curl.args(["-s", "--unix-socket"])
        .arg(daemon.home().join("socket"))
        .args(["-H", "Content-Type: application/json", "-d"])
        .arg(json!({"name": "t"}).to_string())
        .arg("http://localhost/api/v1/templates");
    let said = output_of(&mut curl).ok();
    assert!(said.contains("\"name\":\"t\""), "{said}");
}

#[test]
fn a_daemon_that_stops_leaves_the_socket_of_another_alone() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let start = |home: Option<tempfile::TempDir>| {
        Daemon::start_with(DaemonOptions {
            home,
            args: vec!["--listen".into(), format!("unix:{}", socket.display())],
            ..DaemonOptions::default()
        })
    };
    let first = start(None);
    fs::rename(&socket, home.path().join("moved")).unwrap();
    let second = start(None);
    first.stop();
    let head = "GET /api/v1/health HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n";
    let answer = over_socket(&socket, head);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    second.stop();
    assert!(!socket.exists());
}

#[test]
fn a_locked_directory_of_a_socket_is_reported_after_a_bounded_wait() {
    let home = tempfile::tempdir().unwrap();
    let directory = fs::File::open(home.path()).unwrap();
    directory.lock().unwrap();
    let listen = format!("unix:{}", home.path().join("socket").display());
    let said = refused_start(&["--listen", &listen]);
    assert!(said.contains("locked the directory"), "{said}");
}
