//! Web pages can't drive the daemon.

use reqwest::Method;
use serde_json::json;
use vm_system_tests::{Answer, Daemon};

fn ask(daemon: &Daemon, method: &Method, headers: &[(&str, &str)]) -> Answer {
    let mut request = daemon.api.request(method.clone(), "/templates");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if *method == Method::POST {
        let name = format!("template-{}", uuid::Uuid::new_v4());
        request = request.json(&json!({"name": name}));
    }
    daemon.api.send(request)
}

#[test]
fn a_request_with_a_foreign_host_is_refused_on_every_route() {
    let daemon = Daemon::start();
    for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
        ask(&daemon, &method, &[("host", "evil.example")]).expect_error(403, "FORBIDDEN_HOST");
    }
    let unknown = daemon.api.request(Method::GET, "/nowhere");
    let answer = daemon.api.send(unknown.header("host", "evil.example:3210"));
    answer.expect_error(403, "FORBIDDEN_HOST");
}

#[test]
fn a_page_of_a_foreign_origin_is_refused_and_changes_nothing() {
    let daemon = Daemon::start();
    for headers in [
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
    ] {
        for method in [Method::GET, Method::POST] {
            ask(&daemon, &method, &headers).expect_error(403, "FORBIDDEN_ORIGIN");
        }
    }
    assert_eq!(daemon.api.get("/templates").expect_status(200), json!([]));
    let own = daemon.server().to_owned();
    ask(&daemon, &Method::POST, &[("origin", &own)]).expect_status(201);
}

#[test]
fn allowed_hosts_and_origins_are_accepted() {
    let daemon = Daemon::start_with_args(&[
        "--allow-host",
        "box.local:80",
        "--allow-origin",
        "https://console.example",
    ]);
    ask(&daemon, &Method::GET, &[("host", "box.local:80")]).expect_status(200);
    let origin = [("origin", "https://console.example")];
    let answer = ask(&daemon, &Method::GET, &origin);
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "https://console.example"
    );
    assert_eq!(
        answer.headers["access-control-expose-headers"],
        "link, x-request-id"
    );
    answer.expect_status(200);
    let preflight = [
        ("origin", "https://console.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = ask(&daemon, &Method::OPTIONS, &preflight);
    assert_eq!(answer.status, 204);
    assert!(answer.headers.contains_key("access-control-allow-methods"));
    let allowed = &answer.headers["access-control-allow-headers"];
    assert!(allowed.to_str().unwrap().contains("last-event-id"));
}
