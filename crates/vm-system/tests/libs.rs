//! `libs download` against a registry of the test's own.

#[path = "libs/registry.rs"]
mod registry;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use registry::{Answer, Registry, package};

const CODE: &str = "var p = 1;\n";

/// What a command left behind.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""));
        self.stdout
    }

    #[track_caller]
    fn error(self, part: &str) -> Self {
        assert_eq!(self.status, 1, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
        self
    }
}

/// A cache of one's own.
struct Cache {
    dir: TempDir,
}

impl Cache {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    fn lock(&self) -> Value {
        serde_json::from_str(&self.text("libraries.lock.json")).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vm-system"));
        command
            .args(["libs", "--cache"])
            .arg(self.dir.path())
            .args(args)
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("VM_SYSTEM_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    fn download(&self, registry: &str, names: &[&str]) -> Ran {
        let mut args = vec!["download", "--registry", registry];
        args.extend(names);
        self.run(&args)
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Code that does not compress, so that its package is large.
fn noise(bytes: usize) -> String {
    let mut state = 1_u32;
    let digits = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_digit(state >> 28, 16).unwrap()
    });
    format!("// {}\n", digits.take(bytes).collect::<String>())
}

#[test]
fn a_package_is_downloaded_checked_and_locked() {
    let registry = Registry::start();
    let tarball = package(&[("package.json", "{}"), ("dist/p.js", CODE)]);
    registry.serve("p", "1.0.0", &tarball, json!({"unpkg": "dist/p.js"}));
    let cache = Cache::new();
    let said = cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(said, "Downloaded p-1.0.0 (11 B)\n");
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
    assert_eq!(
        cache.lock(),
        json!({"version": 1, "libraries": {"p-1.0.0": {
            "integrity": registry::integrity(CODE.as_bytes()),
            "size_bytes": 11,
            "package": "p",
            "package_version": "1.0.0",
            "file": "dist/p.js",
            "package_integrity": registry::integrity(&tarball),
        }}})
    );
    let mut left: Vec<_> = fs::read_dir(cache.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".lock", "libraries.lock.json", "p-1.0.0.js"]);
    let asked = registry.requests().len();
    let again = cache.download(&registry.url, &["p@1.0.0", "p-1.0.0"]).ok();
    assert_eq!(again, "p-1.0.0 is already in the cache\n");
    assert_eq!(
        registry.requests().len(),
        asked,
        "nothing is asked for twice"
    );
}

#[test]
fn the_catalogue_is_downloaded_in_its_order_with_what_it_adds() {
    let registry = Registry::start();
    for (name, version, file) in [
        ("lodash", "4.17.21", "lodash.min.js"),
        ("moment", "2.29.4", "min/moment.min.js"),
        ("axios", "1.6.0", "dist/axios.min.js"),
        ("ramda", "0.29.0", "dist/ramda.min.js"),
        ("dayjs", "1.11.10", "dayjs.min.js"),
        ("zustand", "4.4.7", "umd/vanilla.production.js"),
    ] {
        registry.serve(name, version, &package(&[(file, "x")]), json!({}));
    }
    let cache = Cache::new();
    let said = cache.download(&registry.url, &[]).ok();
    let names: Vec<_> = said
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "lodash-4.17.21",
            "moment-2.29.4",
            "axios-1.6.0",
            "ramda-0.29.0",
            "dayjs-1.11.10",
            "zustand-4.4.7"
        ]
    );
    assert_eq!(
        cache.text("zustand-4.4.7.js"),
        "x\nglobalThis.zustand = globalThis.zustandVanilla;\n"
    );
    cache.run(&["verify"]).ok();
    assert_eq!(
        cache.run(&["download", "--offline"]).ok().lines().count(),
        6
    );
}

#[test]
fn a_scoped_package_and_the_latest_version_are_found() {
    let registry = Registry::start();
    let tarball = package(&[("index.js", CODE), ("other.js", "var other;")]);
    registry.serve("@s%2Fp", "2.1.0", &tarball, json!({}));
    registry.alias("/@s%2Fp/latest", "/@s%2Fp/2.1.0");
    let cache = Cache::new();
    let said = cache.download(&registry.url, &["@s/p"]).ok();
    assert_eq!(said, "Downloaded @s+p-2.1.0 (11 B)\n");
    assert_eq!(cache.text("@s+p-2.1.0.js"), CODE);
    let said = cache.download(&registry.url, &["@s/p"]).ok();
    assert_eq!(said, "@s+p-2.1.0 is already in the cache\n");
    // The name in the cache is a name as well, and another file of the package is another library.
    let args = ["@s+p-2.1.0", "--file", "other.js"];
    cache.download(&registry.url, &args).ok();
    assert_eq!(cache.text("@s+p-2.1.0.js"), "var other;");
    let args = ["@s+p-2.1.0", "--file", "gone.js"];
    let ran = cache.download(&registry.url, &args);
    ran.error("the package holds no gone.js: name one with --file, as in index.js, other.js");
}

#[test]
fn a_wrong_checksum_fails_and_leaves_nothing() {
    let registry = Registry::start();
    let tarball = package(&[("index.js", CODE)]);
    registry.serve("p", "1.0.0", &tarball, json!({}));
    let evil = package(&[("index.js", "evil()")]);
    registry.answer("/tarballs/p-1.0.0.tgz", Answer::ok(&evil));
    let cache = Cache::new();
    let ran = cache.download(&registry.url, &["p@1.0.0"]).error("p@1.0.0");
    for checksum in [registry::integrity(&tarball), registry::integrity(&evil)] {
        assert!(ran.stderr.contains(&checksum), "{}", ran.stderr);
    }
    assert!(!cache.path("p-1.0.0.js").exists());
    assert!(!cache.path("p-1.0.0.js.part").exists());
}

#[test]
fn a_registry_without_integrity_is_checked_with_its_shasum() {
    let registry = Registry::start();
    let tarball = package(&[("index.js", CODE)]);
    for (name, shasum) in [("good", registry::sha1(&tarball)), ("bad", "00".repeat(20))] {
        let url = format!("/tarballs/{name}.tgz");
        registry.answer(&url, Answer::ok(&tarball));
        let dist = json!({"tarball": url, "shasum": shasum});
        let description = json!({"version": "1.0.0", "dist": dist}).to_string();
        registry.answer(
            &format!("/{name}/1.0.0"),
            Answer::ok(description.as_bytes()),
        );
    }
    let cache = Cache::new();
    cache.download(&registry.url, &["good@1.0.0"]).ok();
    let ran = cache.download(&registry.url, &["bad@1.0.0"]);
    ran.error("the registry says sha1-0000");
}

#[test]
fn a_connection_that_is_cut_is_gone_on_with() {
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
fn a_download_that_was_killed_is_gone_on_with() {
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
fn a_server_that_knows_no_ranges_gives_all_of_it_again() {
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
fn what_is_left_of_another_file_is_started_over() {
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
fn one_that_fails_does_not_stop_the_others() {
    let registry = Registry::start();
    for name in ["a", "z"] {
        registry.serve(name, "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    }
    let cache = Cache::new();
    let names = ["a@1.0.0", "gone@1.0.0", "z@1.0.0"];
    let ran = cache.download(&registry.url, &names);
    assert_eq!(
        ran.stdout,
        "Downloaded a-1.0.0 (11 B)\nDownloaded z-1.0.0 (11 B)\n"
    );
    ran.error("Error: cannot download gone@1.0.0: the registry http://127.0.0.1:");
    let mut args = vec!["download", "--output", "json", "--registry", &registry.url];
    args.extend(names);
    let ran = cache.run(&args);
    let outcomes: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        outcomes[0],
        json!({"name": "a-1.0.0", "downloaded": false, "size_bytes": 11})
    );
    assert_eq!(outcomes[1]["name"], "gone@1.0.0");
    assert_eq!(ran.status, 1);
}

#[test]
fn all_is_downloaded_and_checked_also_when_nobody_reads_of_it() {
    let registry = Registry::start();
    for name in ["a", "b"] {
        registry.serve(name, "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    }
    let cache = Cache::new();
    let unread = |args: &[&str]| {
        let (_, nobody) = std::io::pipe().unwrap();
        cache.command(args).stdout(nobody).status().unwrap().code()
    };
    let download = [
        "download",
        "--registry",
        &registry.url,
        "a@1.0.0",
        "b@1.0.0",
    ];
    assert_eq!(unread(&download), Some(0));
    fs::remove_file(cache.path("a-1.0.0.js")).unwrap();
    assert_eq!(cache.text("b-1.0.0.js"), CODE);
    assert_eq!(unread(&["verify"]), Some(1));
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
fn a_failure_that_passes_is_tried_again() {
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

#[test]
fn single_files_come_from_a_source() {
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
    // What comes now is not what was trusted once.
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
    let (said, code) = download(&["--source", &template], nowhere, "");
    said.ok();
    assert_eq!(code.unwrap(), "var q;");
    let (said, code) = download(&["--registry", &server.url], "", nowhere);
    said.ok();
    assert_eq!(code.unwrap(), CODE);
    let (said, code) = download(&[], &server.url, "");
    said.ok();
    assert_eq!(code.unwrap(), CODE);
    let (said, _) = download(&[], &server.url, &template);
    assert_eq!(said.status, 2, "{}", said.stderr);
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
fn what_is_damaged_or_not_locked_is_downloaded_anew() {
    let registry = Registry::start();
    registry.serve("p", "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    let cache = Cache::new();
    let downloaded = "Downloaded p-1.0.0 (11 B)\n";
    fs::write(cache.path("p-1.0.0.js"), "not locked").unwrap();
    assert_eq!(cache.download(&registry.url, &["p@1.0.0"]).ok(), downloaded);
    fs::write(cache.path("p-1.0.0.js"), "damaged").unwrap();
    cache.run(&["verify"]).error("");
    let offline = cache.run(&["download", "--offline", "p@1.0.0"]);
    offline.error("p-1.0.0 is missing or damaged");
    assert_eq!(cache.download(&registry.url, &["p-1.0.0"]).ok(), downloaded);
    assert_eq!(cache.text("p-1.0.0.js"), CODE);
    cache.run(&["verify"]).ok();
}

#[test]
fn verify_tells_the_states_as_json() {
    let registry = Registry::start();
    for name in ["a", "b", "c"] {
        registry.serve(name, "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    }
    let cache = Cache::new();
    cache
        .download(&registry.url, &["a@1.0.0", "b@1.0.0", "c@1.0.0"])
        .ok();
    fs::remove_file(cache.path("a-1.0.0.js")).unwrap();
    fs::write(cache.path("b-1.0.0.js"), "evil()").unwrap();
    fs::write(cache.path("own.js"), "var own;").unwrap();
    let ran = cache.run(&["verify", "--output", "json"]);
    assert_eq!(ran.status, 1);
    let rows: Vec<BTreeMap<String, Value>> = serde_json::from_str(&ran.stdout).unwrap();
    let states: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("a-1.0.0", "missing"),
            ("b-1.0.0", "damaged"),
            ("c-1.0.0", "ok"),
            ("own", "not locked")
        ]
    );
    assert_eq!(rows[1]["expected"], registry::integrity(CODE.as_bytes()));
}

#[test]
fn downloads_at_once_lose_nothing() {
    let registry = Registry::start();
    let names = ["a@1.0.0", "b@1.0.0", "c@1.0.0", "d@1.0.0", "e@1.0.0"];
    for name in names {
        let (name, version) = name.split_once('@').unwrap();
        registry.serve(name, version, &package(&[("index.js", CODE)]), json!({}));
    }
    let cache = Cache::new();
    thread::scope(|scope| {
        for shift in 0..names.len() {
            let (cache, url) = (&cache, &registry.url);
            let mut names = names;
            names.rotate_left(shift);
            scope.spawn(move || cache.download(url, &names[..3]).ok());
        }
    });
    assert_eq!(cache.lock()["libraries"].as_object().unwrap().len(), 5);
    cache.run(&["verify"]).ok();
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

/// A client of npm that does that.
fn npm(directory: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;

    let path = directory.join("npm");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
