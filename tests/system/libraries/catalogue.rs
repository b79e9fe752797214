//! The catalogue of libraries, and a cache that was changed.

use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::support::cli::output_of;

const CATALOGUE: [&str; 6] = [
    "lodash-4.17.21",
    "moment-2.29.4",
    "axios-1.6.0",
    "ramda-0.29.0",
    "dayjs-1.11.10",
    "zustand-4.4.7",
];

fn add_library(daemon: &Daemon, template: &str, name: &str) -> crate::support::cli::CliOutput {
    output_of(&mut daemon.cli(&["template", "add-library", template, "--name", name]))
}

#[test]
fn the_modules_are_listed_with_what_they_are_for() {
    let daemon = Daemon::start();
    let modules = daemon.api.get("/metadata/modules").expect_status(200);
    let names: Vec<_> = modules
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["name"].as_str().unwrap())
        .collect();
    for name in ["database", "exec", "fs"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(modules[0]["summary"].is_string());
}

#[test]
fn the_functions_of_a_module_are_those_that_it_has() {
    let daemon = Daemon::start();
    let listed =
        output_of(&mut daemon.cli(&["template", "list-available-modules", "--output", "json"]));
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        listed,
        daemon.api.get("/metadata/modules").expect_status(200)
    );
    let template = daemon.template();
    for module in listed.as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let path = format!("/templates/{template}/modules");
        daemon
            .api
            .post(&path, &json!({"name": name}))
            .expect_status(201);
        assert_eq!(module["kind"], "native");
        assert!(!module["description"].as_str().unwrap().is_empty());
    }
    let session = daemon.session_of(&template);
    for module in listed.as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let functions = session.eval(&format!(
            "{{ const m = require('{name}'); \
             JSON.stringify(Object.keys(m).filter(key => typeof m[key] === 'function').sort()) }}"
        ));
        let functions: Value = serde_json::from_str(&functions).unwrap();
        assert_eq!(module["functions"], functions, "{name}");
    }
}

#[test]
fn the_libraries_of_the_catalogue_are_described() {
    let daemon = Daemon::start();
    let listed =
        output_of(&mut daemon.cli(&["template", "list-available-libraries", "--output", "json"]));
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        listed,
        daemon.api.get("/metadata/libraries").expect_status(200)
    );
    for library in listed.as_array().unwrap() {
        for field in ["title", "description", "source", "homepage"] {
            assert!(!library[field].as_str().unwrap().is_empty(), "{library}");
        }
    }
    assert_eq!(listed[1]["title"], "Moment.js");
}

#[test]
fn the_catalogue_is_listed_first_and_then_what_else_is_in_the_cache() {
    let daemon = Daemon::start();
    let list = || daemon.api.get("/metadata/libraries").expect_status(200);
    let names = |list: &Value| -> Vec<_> {
        let list = list.as_array().unwrap().iter();
        list.map(|library| library["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let nothing = list();
    assert_eq!(names(&nothing), CATALOGUE);
    assert_eq!(
        nothing[0],
        json!({
            "name": "lodash-4.17.21", "id": "lodash", "version": "4.17.21", "global": "_", "title": "Lodash",
            "description": "Functions for arrays, objects, strings and functions",
            "source": "https://cdn.jsdelivr.net/npm/lodash@4.17.21/lodash.min.js",
            "homepage": "https://lodash.com/", "cached": false,
        })
    );
    daemon.write_library("lodash-4.17.21.js", "var _;");
    daemon.write_library("own.js", "var own;");
    daemon.write_library("@s+p-1.0.0.js", "var p;");
    daemon.write_library("no library.js", "");
    let locked = json!({
        "integrity": "sha512-x", "size_bytes": 6, "package": "@s/p", "package_version": "1.0.0", "file": "p.js",
    });
    let lock = json!({"version": 1, "libraries": {"@s+p-1.0.0": locked}});
    daemon.write_library("libraries.lock.json", &lock.to_string());
    let list = list();
    assert_eq!(names(&list)[6..], ["@s+p-1.0.0", "own"]);
    assert_eq!(
        (&list[0]["cached"], &list[0]["size_bytes"]),
        (&json!(true), &json!(6))
    );
    assert_eq!(
        list[6],
        json!({"name": "@s+p-1.0.0", "id": "@s+p", "version": "1.0.0", "cached": true, "size_bytes": 6})
    );
    assert_eq!(
        list[7],
        json!({"name": "own", "cached": true, "size_bytes": 8})
    );
}

#[test]
fn adding_a_library_that_is_not_cached_prints_a_warning() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let added = add_library(&daemon, &template, "lodash-4.17.21");
    assert_eq!(
        (added.status, added.stdout.trim_end()),
        (
            0,
            &*format!("Added library: lodash-4.17.21 to template {template}")
        )
    );
    assert_eq!(
        added.stderr,
        "Warning: lodash-4.17.21 is not in the library cache of the daemon: fetch it with `vm-system libs download \
         lodash-4.17.21`\n"
    );
    daemon.write_library("lodash-4.17.21.js", "var _;");
    add_library(&daemon, &template, "lodash-4.17.21").ok();
}

#[test]
fn a_library_that_is_not_what_the_lock_file_says_is_not_run() {
    let daemon = Daemon::start();
    daemon.write_library("own-1.0.0.js", "evil()");
    let locked = json!({
        "integrity": "sha512-x", "size_bytes": 6, "package": "own", "package_version": "1.0.0", "file": "own.js",
    });
    let lock = json!({"version": 1, "libraries": {"own-1.0.0": locked}});
    daemon.write_library("libraries.lock.json", &lock.to_string());
    let template = daemon.template();
    add_library(&daemon, &template, "own-1.0.0").ok();
    let refused = daemon
        .request_session(&template)
        .expect_error(422, "LIBRARY_UNAVAILABLE");
    for part in ["damaged", "sha512-x", "`vm-system libs download own-1.0.0`"] {
        assert!(refused.message().contains(part), "{}", refused.message());
    }
}
