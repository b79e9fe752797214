//! Daemons that require a bearer token.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use vm_system_tests::{Answer, Daemon, Process, command, wait_for};

use crate::api::access::daemons::{daemon_with_token, permissions, refused_start};
use crate::support::cli::output_of;

fn ask(daemon: &Daemon, method: &Method, path: &str, authorization: &[&str]) -> Answer {
    let mut request = daemon.api.request(method.clone(), path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    daemon.api.send(request)
}

#[test]
fn a_daemon_with_a_token_refuses_every_request_without_it() {
    let (daemon, token) = daemon_with_token(&[]);
    assert_eq!(permissions(&daemon.home().join("token")), 0o600);
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
    let (daemon, token) = daemon_with_token(&[]);
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
fn neither_the_log_nor_the_process_list_shows_the_token() {
    let (daemon, token) = daemon_with_token(&["--log-format", "json"]);
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

#[test]
fn listening_on_all_interfaces_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let said = refused_start(&["--listen", address]);
        assert!(
            said.contains(address) && said.contains("--token-file"),
            "{said}"
        );
    }
    let (daemon, token) = daemon_with_token(&["--listen", "0.0.0.0:0"]);
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
