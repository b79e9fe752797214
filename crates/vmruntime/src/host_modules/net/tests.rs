//! Tests of the module `net`: it is called as a session calls it, with servers and a resolver of
//! the tests.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vmcontrol::runtime::BoxFuture;

use super::client::Lookup;
use super::requests::Requests;
use crate::host_modules::fixtures::{answer_of, host_call, session};
use crate::ipc::HostError;

/// A resolver with a list of answers for each name. It returns one after the other, and the last
/// one again and again.
struct Names(Mutex<Vec<Name>>);

type Name = (&'static str, Vec<Vec<IpAddr>>);

impl Lookup for Names {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap();
        let answers = names.iter_mut().find(|(known, _)| *known == name);
        let answer = answers.map(|(_, answers)| {
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        });
        let answer = answer.ok_or_else(|| io::Error::other("unknown"));
        Box::pin(async move { answer })
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

fn net(hosts: &[&str], names: &[(&'static str, &[&[IpAddr]])]) -> Requests {
    let names = names.iter().map(|(name, answers)| {
        (
            *name,
            answers.iter().map(|answer| answer.to_vec()).collect(),
        )
    });
    let (_, context) = session(&[("net", "n", true, json!({ "hosts": hosts }))]);
    Requests::by(&context, Arc::new(Names(Mutex::new(names.collect()))))
}

async fn fetch(net: &Requests, request: Value) -> Result<Value, HostError> {
    let call = host_call("net", "fetch", &json!([request]));
    answer_of(net, call).await
}

fn body(answer: &Value) -> String {
    answer["body"]["$bytes"].as_str().unwrap().to_owned()
}

/// A server that answers each request with what a function returns for it, and records the
/// requests.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str, u16) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (requests, answer) = (Arc::clone(&seen), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = receive(&mut stream).await;
                    requests.lock().unwrap().push(request.clone());
                    let answer = answer(&request, port);
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if answer.is_empty() {
                        // It never answers.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a request with its body.
async fn receive(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if rest.len() >= length {
                return String::from_utf8(bytes).unwrap();
            }
        }
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        // The first byte of TLS; it is answered in plain text.
        let is_tls = bytes.is_empty() && buffer[0] == 0x16;
        if length == 0 || is_tls {
            return String::from_utf8(bytes).unwrap();
        }
        bytes.extend_from_slice(&buffer[..length]);
    }
}

fn ok(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-A: 1\r\nX-A: 2\r\n\r\n{text}",
        text.len()
    )
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn path_of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn an_answer_has_status_headers_and_body() {
    let server = Server::start(|request, _| match path_of(request) {
        "/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno".into(),
        _ => ok("text \u{e4}"),
    })
    .await;
    let host = format!("localhost:{}", server.port);
    let net = net(&[&host], &[("localhost", &[&[LOOPBACK]])]);
    let answer = fetch(&net, json!({"url": format!("http://{host}/a?b#c")}))
        .await
        .unwrap();
    assert_eq!(answer["url"], format!("http://{host}/a?b"));
    assert_eq!(
        (&answer["status"], &answer["status_text"]),
        (&json!(200), &json!("OK"))
    );
    assert_eq!(answer["redirected"], false);
    assert_eq!(body(&answer), "text \u{e4}");
    let headers = answer["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-a", "1"])) && headers.contains(&json!(["x-a", "2"])));
    let missing = fetch(&net, json!({"url": format!("http://{host}/missing")}))
        .await
        .unwrap();
    assert_eq!(
        (&missing["status"], body(&missing)),
        (&json!(404), "no".to_owned())
    );
}

#[tokio::test]
async fn method_headers_and_body_are_sent_and_headers_of_the_client_are_kept() {
    let server = Server::start(|_, _| ok("")).await;
    let host = format!("127.0.0.1:{}", server.port);
    let net = net(&[&host], &[]);
    let request = json!({
        "url": format!("http://{host}/"),
        "method": "put",
        "headers": [["X-Own", "one"], ["Host", "evil"], ["Content-Length", "1"], ["Connection", "upgrade"]],
        "body": {"$bytes": "abc"},
    });
    fetch(&net, request).await.unwrap();
    let seen = server.seen().remove(0).to_lowercase();
    assert!(seen.starts_with("put / http/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("x-own: one\r\n") && seen.contains(&format!("host: {host}\r\n")),
        "{seen}"
    );
    assert!(
        seen.contains("content-length: 3\r\n") && seen.ends_with("\r\n\r\nabc"),
        "{seen}"
    );
    assert!(
        !seen.contains("evil") && !seen.contains("upgrade"),
        "{seen}"
    );
    for wrong in [
        json!({"url": format!("http://{host}/"), "body": "x"}),
        json!({"url": format!("http://{host}/"), "method": "CONNECT"}),
        json!({"url": format!("http://{host}/"), "method": "a b"}),
        json!({"url": "/relative"}),
        json!({"url": "file:///etc/passwd"}),
        json!({"url": format!("http://user:pass@{host}/")}),
        json!({"url": format!("http://{host}/"), "redirect": "maybe"}),
    ] {
        assert!(fetch(&net, wrong.clone()).await.is_err(), "{wrong}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_host_that_no_capability_names_is_refused_with_the_remedy() {
    let net = net(&["a.test"], &[("b.test", &[&[PUBLIC]])]);
    for (url, name) in [
        ("https://b.test/x?secret=1", "b.test`"),
        ("http://a.test:8080/", "a.test:8080`"),
        ("http://[::1]/", "'[::1]'`"),
        ("http://127.1/", "127.0.0.1`"),
    ] {
        let error = fetch(&net, json!({ "url": url })).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("EACCES"));
        let command = format!(
            "add-capability {} --kind net --name {name}",
            uuid::Uuid::nil()
        );
        assert!(error.message.contains(&command), "{}", error.message);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_name_must_not_lead_to_this_machine_unless_it_is_named_literally() {
    let server = Server::start(|_, _| ok("inner")).await;
    let port = server.port;
    let names: &[(&'static str, &[&[IpAddr]])] = &[
        ("x.evil.test", &[&[LOOPBACK]]),
        ("named.test", &[&[LOOPBACK]]),
        (
            "mixed.evil.test",
            &[&[
                "::ffff:127.0.0.1".parse().unwrap(),
                "10.0.0.1".parse().unwrap(),
            ]],
        ),
    ];
    let net = net(&["*.evil.test:*", &format!("named.test:{port}")], names);
    for name in ["x.evil.test", "mixed.evil.test"] {
        let url = format!("http://{name}:{port}/");
        let error = fetch(&net, json!({ "url": url })).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("EACCES"), "{}", error.message);
        assert!(
            error.message.contains("not a public address"),
            "{}",
            error.message
        );
    }
    assert!(server.seen().is_empty());
    let url = format!("http://named.test:{port}/");
    assert_eq!(
        body(&fetch(&net, json!({ "url": url })).await.unwrap()),
        "inner"
    );
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    // Only the first answer counts: a second lookup would lead to this machine.
    let server = Server::start(|_, _| ok("inner")).await;
    let net = net(
        &["*.evil.test:*"],
        &[("rebind.evil.test", &[&[PUBLIC], &[LOOPBACK]])],
    );
    let url = format!("http://rebind.evil.test:{}/", server.port);
    let request = json!({"url": url, "timeout_ms": 200});
    assert!(fetch(&net, request).await.is_err());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_is_checked_like_the_first_url() {
    let server = Server::start(|request, port| match path_of(request) {
        "/forbidden" => redirect(302, "http://other.test/"),
        "/loopback" => redirect(302, &format!("http://inner.wild.test:{port}/secret")),
        "/literal" => redirect(302, &format!("http://127.0.0.1:{port}/secret")),
        "/file" => redirect(302, "file:///etc/passwd"),
        "/user" => redirect(302, &format!("http://u:p@named.test:{port}/secret")),
        _ => ok("secret"),
    })
    .await;
    let host = format!("named.test:{}", server.port);
    let net = net(
        &[&host, "*.wild.test:*"],
        &[
            ("named.test", &[&[LOOPBACK]]),
            ("inner.wild.test", &[&[LOOPBACK]]),
            ("other.test", &[&[PUBLIC]]),
        ],
    );
    for path in ["forbidden", "loopback", "literal", "file", "user"] {
        let url = format!("http://{host}/{path}");
        assert!(fetch(&net, json!({ "url": url })).await.is_err(), "{path}");
    }
    assert_eq!(server.seen().len(), 5);
    assert!(
        server
            .seen()
            .iter()
            .all(|request| !request.contains("/secret"))
    );
}

#[tokio::test]
async fn redirects_are_followed_handed_over_or_errors() {
    let server = Server::start(|request, _| match path_of(request) {
        "/one" => redirect(301, "two"),
        "/two" => redirect(307, "/three"),
        "/loop" => redirect(302, "/loop"),
        "/nowhere" => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".into(),
        _ => ok("end"),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.port);
    let net = net(&[&base["http://".len()..]], &[]);
    let answer = fetch(&net, json!({"url": format!("{base}/one")}))
        .await
        .unwrap();
    assert_eq!(
        (&answer["url"], &answer["redirected"]),
        (&json!(format!("{base}/three")), &json!(true))
    );
    let manual = fetch(
        &net,
        json!({"url": format!("{base}/one"), "redirect": "manual"}),
    )
    .await
    .unwrap();
    assert_eq!(
        (&manual["status"], &manual["redirected"]),
        (&json!(301), &json!(false))
    );
    let refused = fetch(
        &net,
        json!({"url": format!("{base}/one"), "redirect": "error"}),
    )
    .await;
    assert!(refused.unwrap_err().message.contains("redirect"));
    let before = server.seen().len();
    let endless = fetch(&net, json!({"url": format!("{base}/loop")}))
        .await
        .unwrap_err();
    assert!(
        endless.message.contains("more than 20"),
        "{}",
        endless.message
    );
    assert_eq!(server.seen().len() - before, 21);
    let nowhere = fetch(&net, json!({"url": format!("{base}/nowhere")}))
        .await
        .unwrap();
    assert_eq!(nowhere["status"], 302);
}

#[tokio::test]
async fn another_origin_gets_no_credentials_and_a_post_becomes_a_get() {
    let other = Server::start(|_, _| ok("end")).await;
    let other_port = other.port;
    let server = Server::start(move |request, _| match path_of(request) {
        "/same" => redirect(308, "/kept"),
        "/other" => redirect(302, &format!("http://127.0.0.1:{other_port}/")),
        _ => ok("end"),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.port);
    let net = net(&["127.0.0.1:*"], &[]);
    let request = |path: &str| {
        json!({
            "url": format!("{base}{path}"),
            "method": "POST",
            "body": "data",
            "headers": [["Authorization", "a"], ["Cookie", "c"], ["Proxy-Authorization", "p"], ["Content-Type", "t"], ["X-Own", "o"]],
        })
    };
    fetch(&net, request("/same")).await.unwrap();
    let kept = server.seen().remove(1).to_lowercase();
    assert!(
        kept.starts_with("post /kept")
            && kept.contains("authorization: a")
            && kept.ends_with("data"),
        "{kept}"
    );
    fetch(&net, request("/other")).await.unwrap();
    let seen = other.seen().remove(0).to_lowercase();
    assert!(
        seen.starts_with("get / ") && seen.contains("x-own: o"),
        "{seen}"
    );
    for gone in ["authorization", "cookie", "content-type", "data"] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_with_and_without_its_length() {
    let server = Server::start(|request, _| {
        if path_of(request) == "/said" {
            return "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx".into();
        }
        let chunk = "x".repeat(1 << 20);
        let chunks = format!("100000\r\n{chunk}\r\n").repeat(17);
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
    })
    .await;
    let base = format!("127.0.0.1:{}", server.port);
    let net = net(&[&base], &[]);
    for path in ["said", "unsaid"] {
        let error = fetch(&net, json!({"url": format!("http://{base}/{path}")}))
            .await
            .unwrap_err();
        assert_eq!(error.code.as_deref(), Some("EMSGSIZE"), "{}", error.message);
    }
}

#[tokio::test]
async fn failures_of_the_network_have_nodes_codes() {
    let silent = Server::start(|_, _| String::new()).await;
    let broken = Server::start(|_, _| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".into()).await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let net = net(&["127.0.0.1:*", "unknown.test"], &[]);
    for (url, code) in [
        (format!("http://127.0.0.1:{}/", silent.port), "ETIMEDOUT"),
        (format!("http://127.0.0.1:{closed}/"), "ECONNREFUSED"),
        (format!("http://127.0.0.1:{}/", broken.port), "ECONNRESET"),
        (format!("https://127.0.0.1:{}/", broken.port), "EPROTO"),
        ("http://unknown.test/".into(), "ENOTFOUND"),
    ] {
        let request =
            json!({"url": url, "timeout_ms": if code == "ETIMEDOUT" { 100 } else { 20_000 }});
        let error = fetch(&net, request).await.unwrap_err();
        assert_eq!(
            error.code.as_deref(),
            Some(code),
            "{url}: {}",
            error.message
        );
    }
}

#[tokio::test]
async fn what_a_disabled_capability_names_is_refused_as_a_name_and_as_an_address() {
    let (_, context) = session(&[
        (
            "net",
            "a",
            true,
            json!({"hosts": ["*.test:*", "named.test:*"]}),
        ),
        (
            "net",
            "b",
            false,
            json!({"hosts": ["bad.test", "127.0.0.1"]}),
        ),
    ]);
    let names = vec![("named.test", vec![vec![LOOPBACK]])];
    let net = Requests::by(&context, Arc::new(Names(Mutex::new(names))));
    for url in ["http://bad.test/", "http://named.test/"] {
        let error = fetch(&net, json!({ "url": url })).await.unwrap_err();
        assert!(
            error.message.contains("not enabled takes"),
            "{}",
            error.message
        );
    }
}

#[tokio::test]
async fn without_a_capability_there_is_no_network() {
    let (_, context) = session(&[]);
    let net = Requests::new(&context);
    let error = fetch(&net, json!({"url": "http://127.0.0.1/"}))
        .await
        .unwrap_err();
    assert_eq!(error.code.as_deref(), Some("EACCES"));
}
