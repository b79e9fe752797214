//! Downloads of packages: checksum, lock file, names.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::cache::{CODE, Cache};
use crate::registry::{self, Answer, Registry, package};
#[test]
fn a_package_is_downloaded_checked_and_locked() {
    let registry = Registry::start();
    let tarball = package(&[("package.json", "{}"), ("dist/p.js", CODE)]);
    registry.serve("p", "1.0.0", &tarball, json!({"unpkg": "dist/p.js"}));
    let cache = Cache::new();
    let output = cache.download(&registry.url, &["p@1.0.0"]).ok();
    assert_eq!(output, "Downloaded p-1.0.0 (11 B)\n");
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
    let mut left: Vec<_> = fs::read_dir(cache.dir())
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
        "nothing is requested twice"
    );
}

#[test]
fn the_catalogue_is_downloaded_in_its_order_with_its_epilogues() {
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
    let output = cache.download(&registry.url, &[]).ok();
    let names: Vec<_> = output
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
    let output = cache.download(&registry.url, &["@s/p"]).ok();
    assert_eq!(output, "Downloaded @s+p-2.1.0 (11 B)\n");
    assert_eq!(cache.text("@s+p-2.1.0.js"), CODE);
    let output = cache.download(&registry.url, &["@s/p"]).ok();
    assert_eq!(output, "@s+p-2.1.0 is already in the cache\n");
    // The name in the cache is accepted as well, and another file replaces the first one.
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
fn a_failed_download_does_not_stop_the_others() {
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
fn all_is_downloaded_and_checked_with_a_closed_standard_output() {
    let registry = Registry::start();
    for name in ["a", "b"] {
        registry.serve(name, "1.0.0", &package(&[("index.js", CODE)]), json!({}));
    }
    let cache = Cache::new();
    let with_closed_output = |args: &[&str]| {
        let (_, closed) = std::io::pipe().unwrap();
        cache.command(args).stdout(closed).status().unwrap().code()
    };
    let download = [
        "download",
        "--registry",
        &registry.url,
        "a@1.0.0",
        "b@1.0.0",
    ];
    assert_eq!(with_closed_output(&download), Some(0));
    fs::remove_file(cache.path("a-1.0.0.js")).unwrap();
    assert_eq!(cache.text("b-1.0.0.js"), CODE);
    assert_eq!(with_closed_output(&["verify"]), Some(1));
}

#[test]
fn a_damaged_or_unlocked_library_is_downloaded_again() {
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
fn verify_prints_the_states_as_json() {
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
fn concurrent_downloads_lose_nothing() {
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
