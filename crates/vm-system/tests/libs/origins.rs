//! The origin of downloads: flags, environment variables, proxies, npm.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::cache::{CODE, Cache, ran};
use crate::registry::{Answer, Registry, package};
#[test]
fn single_files_are_downloaded_by_a_url_template() {
    let server = Registry::start();
    server.answer("/cdn/p@1.0.0/dist/p.js", Answer::ok(CODE.as_bytes()));
    server.answer("/cdn/dayjs@1.11.10/dayjs.min.js", Answer::ok(b"var dayjs;"));
    let template = format!("{}/cdn/{{package}}@{{version}}/{{file}}", server.url);
    let cache = Cache::new();
    let run = |args: &[&str]| {
        let mut all = vec!["download", "--source", &template];
        all.extend(args);
        cache.run(&all)
    };
    run(&["p@1.0.0", "--file", "dist/p.js"]).ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
    let mut by_environment = cache.command(&["download", "dayjs"]);
    by_environment.env("VM_SYSTEM_LIBRARY_SOURCE", &template);
    ran(&mut by_environment).ok();
    assert_eq!(cache.text("dayjs-1.11.10.js"), "var dayjs;");
    assert_eq!(
        cache.lock()["libraries"]["dayjs-1.11.10"].get("package_integrity"),
        None
    );
    run(&["q@1.0.0"]).error("--file");
    // This content differs from the one that was trusted before.
    server.answer("/cdn/p@1.0.0/dist/p.js", Answer::ok(b"evil()"));
    fs::remove_file(cache.path("p-1.0.0.js")).unwrap();
    run(&["p-1.0.0"]).error("the lock file says");
    assert!(!cache.path("p-1.0.0.js").exists());
}

#[test]
fn a_flag_wins_over_the_environment() {
    let server = Registry::start();
    server.serve("p", "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    server.answer("/cdn/p@1.0.0/index.js", Answer::ok(b"var q;"));
    let template = format!("{}/cdn/{{package}}@{{version}}/{{file}}", server.url);
    let download = |flags: &[&str], registry: &str, source: &str| {
        let cache = Cache::new();
        let mut command = cache.command(&["download", "p@1.0.0", "--file", "index.js"]);
        command
            .args(flags)
            .env("VM_SYSTEM_REGISTRY", registry)
            .env("VM_SYSTEM_LIBRARY_SOURCE", source);
        (
            ran(&mut command),
            fs::read_to_string(cache.path("p-1.0.0.js")),
        )
    };
    let nowhere = "http://127.0.0.1:1";
    let (outcome, code) = download(&["--source", &template], nowhere, "");
    outcome.ok();
    assert_eq!(code.unwrap(), "var q;");
    let (outcome, code) = download(&["--registry", &server.url], "", nowhere);
    outcome.ok();
    assert_eq!(code.unwrap(), CODE);
    let (outcome, code) = download(&[], &server.url, "");
    outcome.ok();
    assert_eq!(code.unwrap(), CODE);
    let (outcome, _) = download(&[], &server.url, &template);
    assert_eq!(outcome.status, 2, "{}", outcome.stderr);
}

#[test]
fn proxies_of_the_environment_are_used() {
    let proxy = Registry::start();
    let tarball = package(&[("index.js", CODE)]);
    proxy.serve("p", "1.0.0", &tarball, json!({}));
    for path in ["/p/1.0.0", "/tarballs/p-1.0.0.tgz"] {
        proxy.alias(&format!("http://registry.invalid{path}"), path);
    }
    let cache = Cache::new();
    let args = [
        "download",
        "--registry",
        "http://registry.invalid",
        "p@1.0.0",
    ];
    ran(cache.command(&args).env("http_proxy", &proxy.url)).ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
}

#[test]
fn without_npm_the_registry_has_to_be_named() {
    let (cache, path) = (Cache::new(), tempfile::tempdir().unwrap());
    let download = || {
        let mut download = cache.command(&["download", "lodash"]);
        ran(download.env("PATH", path.path()))
    };
    download().error("npm is not installed");
    download().error("--registry");
    npm(path.path(), "echo not a url");
    download().error("npm is set up with a registry of no use: \"not a url\"");
}

#[test]
fn the_registry_of_npm_is_the_default() {
    let registry = Registry::start();
    registry.serve("p", "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    let (cache, path) = (Cache::new(), tempfile::tempdir().unwrap());
    npm(
        path.path(),
        &format!("echo warning >&2; echo {}/", registry.url),
    );
    ran(cache
        .command(&["download", "p@1.0.0"])
        .env("PATH", path.path()))
    .ok();
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
}

/// Installs an `npm` in the directory that runs this shell script.
fn npm(directory: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;

    let path = directory.join("npm");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}
