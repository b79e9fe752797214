//! Libraries that are named without a version, and library files that are no scripts.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Process, command, wait_for};

use crate::support::cli::{CliOutput, output_of};

fn add(daemon: &Daemon, template: &str, name: &str) -> Answer {
    let path = format!("/templates/{template}/libraries");
    daemon.api.post(&path, &json!({"name": name}))
}

fn remove(daemon: &Daemon, template: &str, name: &str) -> Answer {
    let path = format!("/templates/{template}/libraries/{name}");
    daemon.api.delete(&path)
}

fn list(daemon: &Daemon, template: &str) -> Value {
    let path = format!("/templates/{template}/libraries");
    daemon.api.get(&path).expect_status(200)
}

/// Starts a server of single files of packages, and returns the value for `--source`. The answer to
/// a path is the text that `file` returns for it.
fn source(file: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else {
                continue;
            };
            for line in lines {
                if line.is_ok_and(|line| line.is_empty()) {
                    break;
                }
            }
            let text = file(first.split(' ').nth(1).unwrap());
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://127.0.0.1:{port}/{{package}}@{{version}}/{{file}}")
}

fn download(cache: &Path, source: &str, name: &str) -> CliOutput {
    let mut download = command();
    download
        .args(["libs", "download", name, "--file", "index.js"])
        .args(["--source", source, "--cache"])
        .arg(cache);
    output_of(&mut download)
}

/// Fills the cache and its lock file with these versions of packages and no others. Each file
/// defines a global with the name of its package and its version as the value.
fn lock(daemon: &Daemon, packages: &[(&str, &str)]) {
    let cache = daemon.library_cache();
    let _ = fs::remove_dir_all(&cache);
    let source = source(|path| {
        let (package, rest) = path.rsplit_once('@').unwrap();
        let version = rest.split('/').next().unwrap();
        let global = package.rsplit('/').next().unwrap().replace('-', "_");
        format!("var {global} = '{version}';")
    });
    for (package, version) in packages {
        download(&cache, &source, &format!("{package}@{version}")).ok();
    }
}

#[test]
fn a_library_is_named_without_its_version_and_kept_with_it() {
    let daemon = Daemon::start();
    let template = daemon.template();
    // A library of the catalogue is found even if it is not in the cache.
    for name in ["lodash", "lodash-4.17.21", "lodash@4.17.21"] {
        let added = add(&daemon, &template, name).expect_status(201);
        assert_eq!(
            added,
            json!({"template_id": template, "name": "lodash-4.17.21"})
        );
        assert_eq!(list(&daemon, &template), json!(["lodash-4.17.21"]));
    }
    lock(
        &daemon,
        &[
            ("is-number", "7.0.0"),
            ("@scope/pack", "1.2.3"),
            ("dayjs", "1.11.9"),
        ],
    );
    for (name, full) in [
        ("is-number", "is-number-7.0.0"),
        ("@scope/pack", "@scope+pack-1.2.3"),
        ("@scope+pack", "@scope+pack-1.2.3"),
        ("dayjs", "dayjs-1.11.9"),
    ] {
        assert_eq!(
            add(&daemon, &template, name).expect_status(201)["name"],
            full
        );
    }
    daemon.write_library("lodash-4.17.21.js", "var _ = 'lodash';");
    let session = daemon.session_of(&template);
    assert_eq!(
        session.eval("[_, is_number, pack, dayjs].join()"),
        "lodash,7.0.0,1.2.3,1.11.9"
    );
    let said =
        output_of(&mut daemon.cli(&["template", "remove-library", &template, "--name", "lodash"]))
            .ok();
    assert_eq!(
        said,
        format!("Removed library: lodash-4.17.21 from template {template}\n")
    );
    let said =
        output_of(&mut daemon.cli(&["template", "add-library", &template, "--name", "lodash"]));
    assert_eq!((said.status, &*said.stderr), (0, ""), "it is in the cache");
    assert_eq!(
        said.stdout,
        format!("Added library: lodash-4.17.21 to template {template}\n")
    );
    for name in ["lodash", "is-number", "@scope%2Fpack", "dayjs", "dayjs"] {
        remove(&daemon, &template, name).expect_status(200);
    }
    assert_eq!(list(&daemon, &template), json!([]));
}

#[test]
fn a_name_of_two_versions_is_refused_without_its_version() {
    let daemon = Daemon::start();
    let template = daemon.template();
    lock(&daemon, &[("pack", "1.0.0")]);
    add(&daemon, &template, "pack").expect_status(201);
    lock(
        &daemon,
        &[
            ("pack", "1.0.0"),
            ("pack", "2.0.0"),
            ("lodash", "4.17.19"),
            ("lodash", "4.17.20"),
        ],
    );
    let other = daemon.template();
    for (name, versions) in [
        ("pack", ["pack-1.0.0", "pack-2.0.0"]),
        ("lodash", ["lodash-4.17.19", "lodash-4.17.20"]),
    ] {
        for answer in [add(&daemon, &other, name), remove(&daemon, &other, name)] {
            let answer = answer.expect_error(400, "VALIDATION_ERROR");
            for version in versions {
                assert!(answer.message().contains(version), "{}", answer.message());
            }
        }
        for version in versions {
            add(&daemon, &other, version).expect_status(201);
        }
    }
    assert_eq!(daemon.session_of(&template).eval("pack"), "1.0.0");
    remove(&daemon, &template, "pack-1.0.0").expect_status(200);
    assert_eq!(list(&daemon, &template), json!([]));
    remove(&daemon, &other, "pack-2.0.0").expect_status(200);
    assert_eq!(list(&daemon, &other).as_array().unwrap().len(), 3);
}

#[test]
fn a_template_that_has_a_name_without_a_version_works() {
    let daemon = Daemon::start();
    let template = daemon.template();
    // The name was stored when the library was unknown.
    assert_eq!(
        add(&daemon, &template, "pack").expect_status(201)["name"],
        "pack"
    );
    let error = daemon
        .request_session(&template)
        .expect_error(422, "LIBRARY_UNAVAILABLE");
    assert!(
        error.message().contains("`vm-system libs download pack`"),
        "{}",
        error.message()
    );
    lock(&daemon, &[("pack", "1.0.0")]);
    add(&daemon, &template, "pack-1.0.0").expect_status(201);
    assert_eq!(daemon.session_of(&template).eval("pack"), "1.0.0");
    lock(&daemon, &[("pack", "1.0.0"), ("pack", "2.0.0")]);
    let error = daemon
        .request_session(&template)
        .expect_error(422, "LIBRARY_UNAVAILABLE");
    assert!(
        error.message().contains("pack-1.0.0 or pack-2.0.0"),
        "{}",
        error.message()
    );
    remove(&daemon, &template, "pack").expect_status(200);
    assert_eq!(daemon.session_of(&template).eval("pack"), "1.0.0");
    // Every spelling of the same library is removed with it.
    lock(&daemon, &[("pack", "1.0.0")]);
    remove(&daemon, &template, "pack").expect_status(200);
    assert_eq!(list(&daemon, &template), json!([]));
}

/// Files that are modules, and define no global when they are run as scripts.
const MODULES: [(&str, &str); 12] = [
    ("assigns", "module.exports = function () {};"),
    ("exports", "exports.a = 1;"),
    (
        "requires",
        "const other = require('other'); module.exports = other;",
    ),
    (
        "compiled",
        "'use strict'; Object.defineProperty(exports, '__esModule', {value: true}); exports.default = 1;",
    ),
    (
        "guarded",
        "(function () { var f = 1; if (typeof module !== 'undefined') module.exports = f; })();",
    ),
    (
        "guarded-exports",
        "!function (f) { 'object' == typeof exports && (exports.f = f) }(1);",
    ),
    (
        "amd",
        "(function (f) { if (typeof define === 'function') define(f); else if (typeof exports === 'object') module.exports = f(); })(() => 1);",
    ),
    ("default", "export default function () {}"),
    ("named", "const a = 1; export { a };"),
    (
        "imports",
        "import other from 'other'; globalThis.x = other;",
    ),
    ("passes-on", "export * from './other.js';"),
    ("meta", "globalThis.url = import.meta.url;"),
];

/// Files that define a global although they contain keywords of modules.
const SCRIPTS: [(&str, &str, &str); 8] = [
    (
        "umd",
        "(function (root, f) { typeof exports === 'object' && typeof module !== 'undefined' ? module.exports = f() : typeof define === 'function' && define.amd ? define(f) : root.umd = f(); })(this, () => 'made');",
        "umd",
    ),
    (
        "self",
        "!function (e, t) { 'object' == typeof exports ? exports.x = t() : (e = e || self).deep = t() }(this, () => 'made')",
        "deep",
    ),
    (
        "plain",
        "var plain = 'made'; if (typeof module !== 'undefined') module.exports = plain;",
        "plain",
    ),
    (
        "lexical",
        "const lexical = 'made'; if (typeof exports !== 'undefined') exports.lexical = lexical;",
        "lexical",
    ),
    (
        "words",
        "var words = 'made'; // a module that exports and imports",
        "words",
    ),
    (
        "own",
        "var module = {exports: {}}; module.exports.x = 'made'; var own = module.exports.x;",
        "own",
    ),
    (
        "plugin",
        "(function (f) { typeof module === 'object' && module.exports ? module.exports = f : f(Math) })(Math => { Math.plugin = 'made' })",
        "Math.plugin",
    ),
    (
        "polyfill",
        "if (typeof module === 'undefined') Array.prototype.poly = 'made';",
        "[].poly",
    ),
];

#[test]
fn a_module_that_defines_no_global_is_refused() {
    let daemon = Daemon::start();
    let template = daemon.template();
    for (name, code) in MODULES {
        daemon.write_library(&format!("{name}-1.0.js"), code);
        let name = format!("{name}-1.0");
        let answer = add(&daemon, &template, &name).expect_error(422, "LIBRARY_UNAVAILABLE");
        assert!(answer.message().contains(&name), "{}", answer.message());
        assert!(
            answer.message().contains("defines no global"),
            "{}",
            answer.message()
        );
        let details = &answer.json["error"]["details"];
        assert_eq!(
            (&details["template_id"], &details["library"]),
            (&json!(template), &json!(name))
        );
    }
    assert_eq!(list(&daemon, &template), json!([]));
    daemon.session_of(&template);
    // A file that was added after it was named is refused when a session is created.
    let late = daemon.template_with_libraries(&["late-1.0"]);
    daemon.write_library("late-1.0.js", MODULES[4].1);
    let answer = daemon
        .request_session(&late)
        .expect_error(422, "LIBRARY_UNAVAILABLE");
    assert!(
        answer.message().contains("defines no global"),
        "{}",
        answer.message()
    );
    wait_for("the processes to end", || {
        (Process::zygotes(daemon.pid()).len() == 1).then_some(())
    });
}

#[test]
fn a_file_that_defines_a_global_is_a_library_however_it_is_written() {
    let daemon = Daemon::start();
    for (name, code, global) in SCRIPTS {
        let name = format!("{name}-1.0");
        daemon.write_library(&format!("{name}.js"), code);
        let session = daemon.session_of(&daemon.template_with_libraries(&[&name]));
        assert_eq!(session.eval(global), "made", "{name}");
    }
    // A library that depends on an earlier one is checked after that one.
    daemon.write_library("base-1.0.js", "var base = {};");
    daemon.write_library(
        "addon-1.0.js",
        "(function (f) { typeof exports === 'object' ? module.exports = f(require('base')) : f(base) })(b => { b.added = 'made' })",
    );
    let both = daemon.template_with_libraries(&["base-1.0", "addon-1.0"]);
    assert_eq!(daemon.session_of(&both).eval("base.added"), "made");
    // Without the other library, it fails when it is loaded.
    let alone = daemon.template_with_libraries(&["addon-1.0"]);
    daemon
        .request_session(&alone)
        .expect_error(422, "LIBRARY_UNAVAILABLE");
}

#[test]
fn a_crafted_library_does_not_block_other_requests() {
    let daemon = Daemon::start();
    let template = daemon.template();
    daemon.write_library(
        "deep-1.0.js",
        &format!(
            "module.exports = {}1{};",
            "[".repeat(200_000),
            "]".repeat(200_000)
        ),
    );
    daemon.write_library(
        "prints-1.0.js",
        "for (;;) console.log('module'.repeat(1000));",
    );
    for name in ["deep-1.0", "prints-1.0"] {
        // The library may be accepted or refused; the daemon must survive.
        let answer = add(&daemon, &template, name);
        assert!(matches!(answer.status, 201 | 422 | 503), "{}", answer.text);
    }
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

#[test]
fn a_download_says_that_a_module_can_not_be_used() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let source = source(|path| {
        let package = path[1..].split('@').next().unwrap();
        let code = match package {
            "common" => "module.exports = 1",
            "es" => "export default 1",
            _ => SCRIPTS[0].1,
        };
        code.to_owned()
    });
    for name in ["common", "es"] {
        // The second download finds the file in the cache.
        for _ in 0..2 {
            let said = download(&cache, &source, &format!("{name}@1.0.0"));
            assert_eq!(said.status, 0, "{}", said.stderr);
            assert!(
                said.stderr.contains(&format!("Warning: {name}-1.0.0")),
                "{}",
                said.stderr
            );
            assert!(said.stderr.contains("defines no global"), "{}", said.stderr);
        }
    }
    download(&cache, &source, "umd@1.0.0").ok();
    assert!(fs::exists(cache.join("umd-1.0.0.js")).unwrap());
}
