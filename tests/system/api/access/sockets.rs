//! Daemons that listen on a Unix socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use vm_system_tests::{Daemon, DaemonOptions};

use crate::api::access::daemons::{permissions, refused_start};
use crate::support::cli::output_of;

/// Starts a daemon that listens on a socket.
fn start_on_socket(socket: &Path, home: Option<tempfile::TempDir>) -> Daemon {
    Daemon::start_with(DaemonOptions {
        home,
        args: vec!["--listen".into(), format!("unix:{}", socket.display())],
        ..DaemonOptions::default()
    })
}

/// Sends a request to a daemon on its socket; returns the whole response.
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
    // The socket of a killed daemon is replaced.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let daemon = start_on_socket(&socket, Some(home));
    assert_eq!(daemon.server(), listen);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(permissions(&socket), 0o600);
    assert_eq!(permissions(&daemon.home().join("test.db")), 0o600);
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

/// Many clients of a socket use curl.
#[test]
fn curl_talks_over_a_socket() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let daemon = start_on_socket(&home.path().join("socket"), Some(home));
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
    let first = start_on_socket(&socket, None);
    fs::rename(&socket, home.path().join("moved")).unwrap();
    let second = start_on_socket(&socket, None);
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
