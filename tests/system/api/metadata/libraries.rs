//! `/metadata/libraries`: the catalogue and the cache.

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
