//! `vm-system exec events --follow` and `exec wait`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use vm_system_tests::{Daemon, command};

use crate::support::cli::output_of;
use crate::support::executions::{session_with_large_limits, submit_without_waiting};

#[test]
fn the_commands_start_follow_and_wait() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let cli = |args: &[&str]| output_of(&mut daemon.cli(args)).ok();
    let code = "for (let i = 0; i < 3; i++) { console.log(i); await new Promise(done => setTimeout(done, 100)) }";
    let started = cli(&["exec", "repl", &session.id, code, "--no-wait"]);
    let id = started.trim_end().strip_prefix("Execution ID: ").unwrap();
    let followed = cli(&["exec", "events", id, "--follow"]);
    assert_eq!(followed.lines().count(), 5, "{followed}");
    assert_eq!(cli(&["exec", "events", id]), followed);
    let waited = cli(&["exec", "wait", id]);
    assert!(waited.contains("Status: ok"), "{waited}");
    let lines = cli(&["--output", "json", "exec", "events", id, "--follow"]);
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    std::fs::write(daemon.home().join("code.js"), "40 + 2").unwrap();
    let from_file = cli(&["exec", "repl", &session.id, "-f", "code.js"]);
    assert!(from_file.contains("\"preview\":\"42\""), "{from_file}");
    let mut piped = daemon.cli(&["exec", "repl", &session.id, "-"]);
    piped.stdin(std::fs::File::open(daemon.home().join("code.js")).unwrap());
    assert_eq!(
        output_of(&mut piped).ok().lines().nth(1),
        from_file.lines().nth(1)
    );
}

/// A proxy that closes each connection after 2000 bytes of the response.
fn cut_connections(proxy: &TcpListener, target: &str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (mut client, _) = proxy.accept().unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let mut request = [0; 4096];
        let length = client.read(&mut request).unwrap_or(0);
        server.write_all(&request[..length]).unwrap();
        let mut left = 2000_usize;
        let mut piece = [0; 200];
        while left > 0 {
            let length = server.read(&mut piece).unwrap_or(0);
            if length == 0 || client.write_all(&piece[..length]).is_err() {
                break;
            }
            left = left.saturating_sub(length);
        }
    }
}

#[test]
fn following_survives_connections_that_break() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap().to_string();
    let daemon = Daemon::start_with_args(&["--allow-host", &address]);
    let session = session_with_large_limits(&daemon);
    let code = "for (let i = 0; i < 60; i++) { console.log(i); await new Promise(done => setTimeout(done, 30)) }";
    let id = submit_without_waiting(&daemon, &session, code);
    let target = daemon.server().trim_start_matches("http://").to_owned();
    let stop = AtomicBool::new(false);
    let followed = std::thread::scope(|scope| {
        scope.spawn(|| cut_connections(&proxy, &target, &stop));
        let mut follow = command();
        let url = format!("http://{address}");
        follow.args(["--server-url", &url, "exec", "events", &id, "--follow"]);
        let followed = output_of(&mut follow);
        stop.store(true, Ordering::Relaxed);
        // The proxy waits for a connection.
        drop(TcpStream::connect(&address));
        followed
    });
    assert_eq!(followed.status, 0, "{}", followed.stderr);
    let stored = output_of(&mut daemon.cli(&["exec", "events", &id])).ok();
    assert_eq!(followed.stdout, stored);
}
