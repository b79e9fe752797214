//! The hosts that `fetch` reaches, in every notation.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::host_modules::net::http_server::{Server, fetch_text, net_session};
use crate::support::attempts::{
    assert_throws, assert_throws_code, assert_value, js_literal, run_suggested_command,
};

/// The ways to write `127.0.0.1`.
const NOTATIONS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "\u{2460}\u{2461}\u{2466}.0.0.1",
    "\u{1d7cf}\u{1d7d0}\u{1d7d5}.0.0.1",
    "1\u{ad}27.0.0.1",
];

/// Other names of this machine.
const OTHERS: &[&str] = &[
    "localhost",
    "LOCALHOST",
    "localhost.",
    "\u{ff4c}ocalhost",
    "x.localhost",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "127.0.0.1.example",
];

#[test]
fn without_a_capability_no_host_is_reached_and_the_message_says_how_to_grant_one() {
    let daemon = Daemon::start();
    let server = Server::start();
    let template = daemon.template();
    let session = daemon.session_of(&template);
    let host = format!("127.0.0.1:{}", server.port);
    let message = assert_throws_code(&session, &fetch_text(&format!("http://{host}/x")), "EACCES");
    let missing = format!("no net capability of the template gives {host}");
    let add = format!("`vm-system template add-capability {template} --kind net --name {host}`");
    assert!(
        message.contains(&missing) && message.contains(&add),
        "{message}"
    );
    assert_eq!(server.requests(), [""; 0]);
    run_suggested_command(&daemon, &message);
    assert_throws_code(&session, &fetch_text(&format!("http://{host}/x")), "EACCES");
    let new = daemon.session_of(&template);
    assert_value(&new, &fetch_text(&format!("http://{host}/x")), &json!("/x"));
    assert_eq!(server.requests(), ["GET /x HTTP/1.1"]);
    for other in [
        "http://example.com/",
        "https://example.com:8443/",
        "http://[::1]/",
    ] {
        let message = assert_throws_code(&new, &fetch_text(other), "EACCES");
        assert!(message.contains("--kind net --name "), "{message}");
    }
}

#[test]
fn a_granted_host_is_reached_in_every_notation() {
    let daemon = Daemon::start();
    let server = Server::start();
    let given = format!("127.0.0.1:{}", server.port);
    let session = net_session(&daemon, &[given], &[]);
    for notation in NOTATIONS {
        let url = format!("http://{notation}:{}/x", server.port);
        assert_value(&session, &fetch_text(&url), &json!("/x"));
    }
    let port = server.port;
    for url in [
        format!("HTTP://127.0.0.1:{port}/x"),
        format!("http:127.0.0.1:{port}/x"),
        format!("http:\\\\127.0.0.1:{port}\\x"),
        format!(" http://127.0.0.1:{port}/x\t"),
        format!("http://127.0.0.1:{port}/x#@example.com/"),
        format!("http://127.0.0.1:0{port}/y/../x"),
    ] {
        assert_value(&session, &fetch_text(&url), &json!("/x"));
        let request = format!(
            "fetch(new Request(new URL({}))).then(answer => answer.text())",
            js_literal(&url)
        );
        assert_value(&session, &request, &json!("/x"));
    }
    let posted = format!(
        "fetch('http://127.0.0.1:{port}/y', {{method: 'delete'}}).then(({{status, ok, url}}) => [status, ok, url])"
    );
    assert_value(
        &session,
        &posted,
        &json!([200, true, format!("http://127.0.0.1:{port}/y")]),
    );
}

#[test]
fn no_other_notation_host_or_port_is_reached() {
    let daemon = Daemon::start();
    let (server, forbidden) = (Server::start(), Server::start());
    let given = [
        format!("127.0.0.1:{}", server.port),
        "*.localhost:*".to_owned(),
        "*.0.0.1.example:*".to_owned(),
        "127.0.0.1.example:*".to_owned(),
    ];
    let session = net_session(&daemon, &given, &[]);
    for notation in NOTATIONS {
        let url = format!("http://{notation}:{}/x", forbidden.port);
        assert_throws_code(&session, &fetch_text(&url), "EACCES");
    }
    for other in OTHERS {
        for port in [server.port, forbidden.port] {
            assert_throws(&session, &fetch_text(&format!("http://{other}:{port}/x")));
        }
    }
    for url in ["http://127.0.0.1/", "https://127.0.0.1/", daemon.server()] {
        assert_throws_code(&session, &fetch_text(url), "EACCES");
    }
    assert_eq!((server.requests(), forbidden.requests()), (vec![], vec![]));
}

#[test]
fn names_that_resemble_the_granted_host_are_refused() {
    let daemon = Daemon::start();
    let (server, forbidden) = (Server::start(), Server::start());
    let (port, other) = (server.port, forbidden.port);
    let session = net_session(&daemon, &[format!("127.0.0.1:{port}")], &[]);
    for url in [
        format!("http://127.0.0.1:{port}@127.0.0.1:{other}/"),
        format!("http://127.0.0.1%3a{port}@127.0.0.1:{other}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://user:word@127.0.0.1:{port}/"),
        format!("http://:word@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{other}\\@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{other}/@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{other}#@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{other}?@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{other}%2f@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}:{other}/"),
        format!("http://127.0.0.1:{port} 127.0.0.1:{other}/"),
        format!("http://127.0.0.1:{}/", u32::from(other) + 0x1_0000),
        format!("http://127.0.0.1%00:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{other}/"),
        format!("http://[::ffff:7f00:1]:{other}/"),
        format!("http://[0:0:0:0:0:FFFF:127.0.0.1]:{other}/"),
    ] {
        assert_throws(&session, &fetch_text(&url));
    }
    // A header names no other host either.
    let header = format!(
        "fetch('http://127.0.0.1:{other}/', {{headers: {{host: '127.0.0.1:{port}'}}}}).then(answer => answer.text())"
    );
    assert_throws_code(&session, &header, "EACCES");
    assert_eq!((server.requests(), forbidden.requests()), (vec![], vec![]));
}

#[test]
fn a_granted_name_grants_no_address_and_a_granted_address_no_name() {
    let daemon = Daemon::start();
    let server = Server::start();
    let port = server.port;
    let by_name = net_session(&daemon, &[format!("LocalHost.:{port}")], &[]);
    for name in [
        "localhost",
        "LOCALHOST",
        "\u{ff4c}ocal\u{ff48}ost",
        "loc%61lhost",
    ] {
        assert_value(
            &by_name,
            &fetch_text(&format!("http://{name}:{port}/x")),
            &json!("/x"),
        );
    }
    for other in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "x.localhost",
        "localhost.example",
    ] {
        assert_throws_code(
            &by_name,
            &fetch_text(&format!("http://{other}:{port}/x")),
            "EACCES",
        );
    }
    let by_address = net_session(&daemon, &[format!("127.0.0.1:{port}")], &[]);
    assert_throws_code(
        &by_address,
        &fetch_text(&format!("http://localhost:{port}/x")),
        "EACCES",
    );
}

#[test]
fn a_denied_host_is_not_reached_by_another_name() {
    let daemon = Daemon::start();
    let server = Server::start();
    let port = server.port;
    let given = ["127.0.0.1:*".to_owned(), "localhost:*".to_owned()];
    for taken in ["127.0.0.1", "127.1:*", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let session = net_session(&daemon, &given, &[taken]);
        for host in NOTATIONS.iter().chain(&["[::ffff:127.0.0.1]"]) {
            let message = assert_throws_code(
                &session,
                &fetch_text(&format!("http://{host}:{port}/x")),
                "EACCES",
            );
            assert!(message.contains("not enabled"), "{message}");
        }
        assert_throws(&session, &fetch_text(&format!("http://localhost:{port}/x")));
    }
    assert_eq!(server.requests(), [""; 0]);
    let session = net_session(&daemon, &given, &["127.0.0.1:1", "localhost"]);
    assert_value(
        &session,
        &fetch_text(&format!("http://127.0.0.1:{port}/x")),
        &json!("/x"),
    );
    assert_throws_code(
        &session,
        &fetch_text(&format!("http://LOCALHOST.:{port}/x")),
        "EACCES",
    );
}
