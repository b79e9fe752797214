//! Redirects, schemes and objects that change do not widen what `fetch` reaches.

use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::host_modules::net::http_server::{Server, fetch_text, net_session};
use crate::support::attempts::{
    assert_throws, assert_throws_code, assert_value, attempt, js_literal,
};

#[test]
fn an_input_object_that_changes_is_read_once() {
    let daemon = Daemon::start();
    let (server, forbidden) = (Server::start(), Server::start());
    let session = net_session(&daemon, &[format!("127.0.0.1:{}", server.port)], &[]);
    let (good, bad) = (
        format!("'http://127.0.0.1:{}/x'", server.port),
        format!("'http://127.0.0.1:{}/x'", forbidden.port),
    );
    for input in [
        format!("{{count: 0, toString() {{ return this.count++ ? {bad} : {good} }}}}"),
        format!("Object.defineProperty(new Request({good}), 'url', {{get: () => {bad}}})"),
        format!("Object.setPrototypeOf({{url: {bad}, method: 'GET'}}, Request.prototype)"),
        format!("Object.assign(Object.create(URL.prototype), {{href: {bad}}})"),
    ] {
        let tried = format!("fetch({input}).then(answer => answer.text())");
        let _ = attempt(&session, &tried);
    }
    assert_eq!(forbidden.requests(), [""; 0]);
}

#[test]
fn a_redirect_reaches_only_hosts_that_a_request_could_reach() {
    let daemon = Daemon::start();
    let (server, forbidden) = (Server::start(), Server::start());
    let (port, other) = (server.port, forbidden.port);
    let session = net_session(&daemon, &[format!("127.0.0.1:{port}")], &[]);
    let base = format!("http://127.0.0.1:{port}");
    for target in [
        "/x".to_owned(),
        "x".to_owned(),
        format!("//127.1:{port}/x"),
        format!("{base}/to?/x"),
    ] {
        assert_value(
            &session,
            &fetch_text(&format!("{base}/to?{target}")),
            &json!("/x"),
        );
    }
    for target in [
        format!("http://127.0.0.1:{other}/x"),
        format!("//127.0.0.1:{other}/x"),
        format!("\\\\127.0.0.1:{other}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://[::1]:{port}/x"),
        format!("http://2130706433:{other}/x"),
        format!("http://user@127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{port}@127.0.0.1:{other}/x"),
        format!("https://127.0.0.1:{other}/x"),
        format!("{base}/to?http://127.0.0.1:{other}/x"),
        "file:///etc/passwd".to_owned(),
        "data:text/plain,x".to_owned(),
        format!("ftp://127.0.0.1:{port}/x"),
        "http://".to_owned(),
    ] {
        for way in ["to", "to307"] {
            let url = format!("{base}/{way}?{target}");
            assert_throws(&session, &fetch_text(&url));
            let sent = format!(
                "fetch({}, {{method: 'POST', body: 'secret'}})",
                js_literal(&url)
            );
            assert_throws(&session, &sent);
        }
    }
    let away = js_literal(&format!("{base}/to?http://127.0.0.1:{other}/x"));
    let manual = format!("fetch({away}, {{redirect: 'manual'}}).then(answer => answer.status)");
    assert_value(&session, &manual, &json!(302));
    assert_throws_code(
        &session,
        &format!("fetch({away}, {{redirect: 'error'}})"),
        "ERR_REDIRECT",
    );
    let message = assert_throws_code(&session, &format!("fetch({away})"), "EACCES");
    assert!(
        message.contains(&format!("--kind net --name 127.0.0.1:{other}`")),
        "{message}"
    );
    assert_eq!(forbidden.requests(), [""; 0]);
}

#[test]
fn no_other_scheme_is_served() {
    let daemon = Daemon::start();
    let server = Server::start();
    daemon.write("a.txt", "a");
    let port = server.port;
    let session = net_session(
        &daemon,
        &[format!("127.0.0.1:{port}"), "localhost:*".into()],
        &[],
    );
    for url in [
        "file:///etc/passwd".to_owned(),
        format!("file://{}/a.txt", daemon.worktree().display()),
        "file://localhost/etc/passwd".to_owned(),
        "data:text/plain,x".to_owned(),
        format!("ftp://127.0.0.1:{port}/"),
        format!("ws://127.0.0.1:{port}/"),
        format!("gopher://127.0.0.1:{port}/"),
        format!("unix://127.0.0.1:{port}/"),
        format!("blob:http://127.0.0.1:{port}/x"),
        format!("view-source:http://127.0.0.1:{port}/x"),
        "javascript:1".to_owned(),
        "about:blank".to_owned(),
        "/relative".to_owned(),
        "127.0.0.1".to_owned(),
        String::new(),
    ] {
        assert_throws_code(&session, &fetch_text(&url), "ERR_INVALID_URL");
    }
    // The server listens there, but does not speak TLS.
    assert_throws(&session, &fetch_text(&format!("https://127.0.0.1:{port}/")));
    let asked: Vec<Value> = server.requests().into_iter().map(Value::from).collect();
    assert!(
        asked.iter().all(|line| !line.to_string().contains("HTTP")),
        "{asked:?}"
    );
}
