//! The client against a server with canned responses.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use serde_json::{Map, Value};
use vmapi_types::{CreateTemplateRequest, RunFileRequest, SessionStatus};
use vmclient::{Client, Error};

const ID: &str = "6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11";

/// A server that answers one request with `answer`; the join handle returns that request.
fn server(answer: impl Into<String>) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let answer = answer.into();
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (client, request)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).unwrap();
        request.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.parse::<usize>().unwrap());
            if body.len() >= length {
                return text.into_owned();
            }
        }
        assert_ne!(count, 0, "the request ended early: {text}");
    }
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn an_answer_is_read_as_its_type() {
    let (client, request) = server(http(
        "200 OK",
        "{\"active_sessions\":0,\"active_session_ids\":[]}\n",
    ));
    let summary = client.runtime_summary().await.unwrap();
    assert_eq!(summary.active_sessions, 0);
    let request = request.join().unwrap();
    assert!(
        request.starts_with("GET /api/v1/runtime/summary HTTP/1.1\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_raw_answer_is_the_text_of_the_response() {
    let body = "{ \"new_field\": 1.50,  \"status\":\"ok\"}";
    let (client, _request) = server(http("200 OK", &format!("{body}\n")));
    assert_eq!(client.health().raw().await.unwrap().get(), body);
}

#[tokio::test]
async fn a_body_is_json_without_the_absent_fields() {
    let template = format!(
        "{{\"id\":\"{ID}\",\"name\":\"a\",\"engine\":\"boa\",\"is_active\":true,\"exposed_modules\":[],\"libraries\":[],\
         \"created_at\":\"2026-01-01T00:00:00.000000Z\",\"updated_at\":\"2026-01-01T00:00:00.000000Z\"}}"
    );
    let (client, request) = server(http("201 Created", &template));
    let body = CreateTemplateRequest {
        name: Some("a".into()),
        engine: None,
    };
    assert_eq!(client.create_template(&body).await.unwrap().name, "a");
    let request = request.join().unwrap();
    assert!(
        request.starts_with("POST /api/v1/templates HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("content-type: application/json\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\n{\"name\":\"a\"}"), "{request}");
}

#[tokio::test]
async fn names_and_queries_are_encoded() {
    let removed = format!("{{\"status\":\"ok\",\"template_id\":\"{ID}\",\"name\":\"a/b\"}}");
    let (client, request) = server(http("200 OK", &removed));
    client.remove_library(ID, "a/b").await.unwrap();
    let expected = format!("DELETE /api/v1/templates/{ID}/libraries/a%2Fb HTTP/1.1\r\n");
    assert!(request.join().unwrap().starts_with(&expected));

    let (client, request) = server(http("200 OK", "[]"));
    client.sessions(Some(SessionStatus::Ready)).await.unwrap();
    let request = request.join().unwrap();
    assert!(
        request.starts_with("GET /api/v1/sessions?status=ready HTTP/1.1\r\n"),
        "{request}"
    );

    let (client, request) = server(http("200 OK", "[]"));
    client.executions("a&b", Some(7)).all().await.unwrap();
    let request = request.join().unwrap();
    let expected = "GET /api/v1/executions?session_id=a%26b&limit=7 HTTP/1.1\r\n";
    assert!(request.starts_with(expected), "{request}");
}

/// A server that closes its first connection after the request and answers the second one with
/// `answer`; the join handle returns both requests.
fn breaking_server(answer: String) -> (Client, JoinHandle<[String; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let requests = thread::spawn(move || {
        let (mut broken, _) = listener.accept().unwrap();
        let first = read_request(&mut broken);
        drop(broken);
        let (mut stream, _) = listener.accept().unwrap();
        let second = read_request(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        [first, second]
    });
    (client, requests)
}

#[tokio::test]
async fn only_an_execution_with_an_id_is_sent_again_when_its_connection_breaks() {
    let body = format!("{{\"id\":\"{ID}\"}}");
    let (client, requests) = breaking_server(http("201 Created", &body));
    let request = RunFileRequest {
        execution_id: Some(ID.into()),
        ..RunFileRequest::default()
    };
    let answer = client.run_file(&request).raw().await.unwrap();
    assert_eq!(answer.get(), body);
    let [first, second] = requests.join().unwrap();
    assert!(first.contains(ID) && first == second, "{first} {second}");

    let (client, _requests) = breaking_server(http("201 Created", &body));
    let error = client.run_file(&RunFileRequest::default()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
}

#[tokio::test]
async fn an_interrupted_request_differs_from_an_unreachable_daemon() {
    let (client, request) = server("");
    let request_with_id = RunFileRequest {
        execution_id: Some(ID.into()),
        ..RunFileRequest::default()
    };
    let error = client.run_file(&request_with_id).await.unwrap_err();
    request.join().unwrap();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    let mut stream = client.follow(ID, 0);
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_unreachable_daemon_is_reported_with_the_cause() {
    let client = Client::new("http://no-such-host.invalid:1").unwrap();
    let error = client.health().await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot reach the daemon at http://no-such-host.invalid:1: ")
            && !error.contains("vm-system serve"),
        "{error}"
    );
}

#[tokio::test]
async fn an_api_error_keeps_its_code_and_details() {
    let (client, _request) = server(http(
        "409 Conflict",
        "{\"error\":{\"code\":\"SESSION_BUSY\",\"message\":\"it runs\",\"details\":{\"session_id\":\"s\"}}}\n",
    ));
    let error = client
        .run_file(&RunFileRequest::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "SESSION_BUSY: it runs");
    let expected = Map::from_iter([("session_id".to_owned(), Value::from("s"))]);
    assert!(
        matches!(error, Error::Api { status: 409, details, .. } if details == expected),
        "the details are those of the answer"
    );
}

#[tokio::test]
async fn a_missing_daemon_is_named_with_the_remedy() {
    // The port was free a moment ago, so nothing listens on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&format!("{url}/"))
        .unwrap()
        .health()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot reach the daemon at {url}: is \"vm-system serve\" running?")
    );
}

#[tokio::test]
async fn the_response_of_another_program_is_a_protocol_error() {
    for (answer, expected) in [
        (
            http("404 Not Found", "<h1>Not found</h1>"),
            "status 404 Not Found with \"<h1>Not found</h1>\"",
        ),
        (
            http("502 Bad Gateway", ""),
            "status 502 Bad Gateway with an empty body",
        ),
        (
            http("302 Found", "elsewhere"),
            "status 302 Found with \"elsewhere\"",
        ),
        (
            http("200 OK", "<html>"),
            "expected value at line 1 column 1 in \"<html>\"",
        ),
        (
            http("200 OK", "[]"),
            "invalid length 0, expected struct Health with 1 element at line 1 column 2 in \"[]\"",
        ),
        (
            "SSH-2.0-OpenSSH_9.6\r\n".into(),
            "invalid HTTP version parsed",
        ),
    ] {
        let (client, _request) = server(answer);
        let error = client.health().await.unwrap_err();
        let Error::Protocol { reason, .. } = &error else {
            panic!("{expected}: {error:?}");
        };
        assert_eq!(reason, expected);
    }
}

#[tokio::test]
async fn a_broken_connection_is_an_interrupted_request() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"sta"] {
        let (client, _request) = server(answer);
        let error = client.health().await.unwrap_err();
        assert!(
            matches!(error, Error::Interrupted { .. }),
            "{answer:?}: {error:?}"
        );
    }
}
