//! Downloads that are interrupted, resumed and retried.

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cache::{CODE, Cache};
use crate::registry::{Answer, Registry, package};
/// Code that does not compress well, so that its package is large.
fn noise(bytes: usize) -> String {
    let mut state = 1_u32;
    let digits = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_digit(state >> 28, 16).unwrap()
    });
    format!("// {}\n", digits.take(bytes).collect::<String>())
}

#[test]
fn a_broken_connection_is_resumed() {
    let registry = Registry::start();
    let code = noise(200_000);
    let tarball = package(&[("index.js", &code)]);
    registry.serve("p", "1.0.0", &tarball, json!({}));
    let cut = Answer::ok(&tarball).cut_at(50_000);
    registry.first("/tarballs/p-1.0.0.tgz", cut);
    let cache = Cache::new();
    cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), code);
    let ranges = registry.ranges("/tarballs/p-1.0.0.tgz");
    assert_eq!(ranges, [None, Some("bytes=50000-".to_owned())]);
}

#[test]
fn a_killed_download_is_resumed() {
    let registry = Registry::start();
    let code = noise(200_000);
    let tarball = package(&[("index.js", &code)]);
    registry.serve("p", "1.0.0", &tarball, json!({}));
    let stalled = Answer::ok(&tarball).stall_at(50_000);
    registry.first("/tarballs/p-1.0.0.tgz", stalled);
    let cache = Cache::new();
    let args = ["download", "--registry", &registry.url, "p@1.0.0"];
    let mut child = cache.command(&args).spawn().unwrap();
    let part = cache.path("p-1.0.0.js.part");
    let there = || fs::metadata(&part).is_ok_and(|part| part.len() == 50_000);
    wait_until("the first half", there);
    child.kill().unwrap();
    child.wait().unwrap();
    cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), code);
    assert!(!part.exists());
    let ranges = registry.ranges("/tarballs/p-1.0.0.tgz");
    assert_eq!(ranges, [None, Some("bytes=50000-".to_owned())]);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let registry = Registry::start();
    let tarball = package(&[("index.js", CODE)]);
    registry.serve("p", "1.0.0", &tarball, json!({}));
    let whole = Answer::ok(&tarball).without_ranges();
    registry.answer("/tarballs/p-1.0.0.tgz", whole);
    let cache = Cache::new();
    fs::write(cache.path("p-1.0.0.js.part"), &tarball[..20]).unwrap();
    cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
}

#[test]
fn the_rest_of_another_file_is_discarded() {
    let registry = Registry::start();
    let tarball = package(&[("index.js", CODE)]);
    registry.serve("p", "1.0.0", &tarball, json!({}));
    for left in [vec![0; 20], vec![0; tarball.len() + 20]] {
        let cache = Cache::new();
        fs::write(cache.path("p-1.0.0.js.part"), left).unwrap();
        cache.download(&registry.url, &["p@1.0.0"]).ok();
        assert_eq!(cache.text("p-1.0.0.js"), CODE);
    }
}

#[test]
fn redirects_are_followed() {
    let registry = Registry::start();
    registry.serve("p", "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    registry.answer("/tarballs/p-1.0.0.tgz", Answer::redirect("/moved.tgz"));
    registry.answer("/moved.tgz", Answer::ok(&package(&[("index.js", CODE)])));
    let cache = Cache::new();
    cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
}

#[test]
fn a_transient_failure_is_retried() {
    let registry = Registry::start();
    registry.serve("p", "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    for path in ["/p/1.0.0", "/tarballs/p-1.0.0.tgz"] {
        registry.first(path, Answer::status("503 Service Unavailable"));
    }
    let cache = Cache::new();
    cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
}

#[test]
fn a_registry_that_is_down_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ran = Cache::new().download(&url, &["p@1.0.0"]);
    ran.error(&format!("cannot download {url}/p/1.0.0"));
}

/// Waits for a condition, for at most a minute.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
