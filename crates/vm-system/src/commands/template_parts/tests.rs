//! Tests of the printed parts of a template.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::output::testing::printed;

fn capability(config: &Value) -> Capability {
    serde_json::from_value(json!({
        "id": "3d1f6a58-13a0-4a3b-8a53-3a8a3c2c9b01",
        "vm_id": "6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11",
        "kind": "module",
        "name": "fs",
        "enabled": true,
        "config": config,
    }))
    .unwrap()
}

fn startup_file() -> StartupFile {
    serde_json::from_value(json!({
        "id": "3d1f6a58-13a0-4a3b-8a53-3a8a3c2c9b01",
        "vm_id": "6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11",
        "path": "init.js",
        "order_index": 20,
        "mode": "eval",
    }))
    .unwrap()
}

#[test]
fn an_added_part_is_a_line_that_scripts_read() {
    assert_snapshot!(
        printed(|out| added_startup_file(out, &startup_file())),
        @"Added startup file: init.js (order: 20) to template 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    );
    assert_snapshot!(
        printed(|out| added_capability(out, &capability(&json!({})))),
        @"Added capability: module:fs to template 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    );
}

#[test]
fn capabilities_and_startup_files_are_tables() {
    let plain = Paint::new(false);
    let config = json!({"read": ["src"]});
    assert_snapshot!(printed(|out| capabilities(out, plain, &[capability(&config)])), @r#"
    KIND    NAME  ENABLED  CONFIG            ID
    module  fs    true     {"read":["src"]}  3d1f6a58-13a0-4a3b-8a53-3a8a3c2c9b01
    "#);
    assert_snapshot!(printed(|out| startup_files(out, plain, &[startup_file()])), @r"
    ORDER  MODE  PATH     ID
    20     eval  init.js  3d1f6a58-13a0-4a3b-8a53-3a8a3c2c9b01
    ");
    assert_snapshot!(printed(|out| startup_files(out, plain, &[])), @"No startup files.");
}

#[test]
fn names_are_one_per_line() {
    let list = ["exec".to_owned(), "fs".to_owned()];
    assert_snapshot!(printed(|out| names(out, &list, "No modules.")), @r"
    exec
    fs
    ");
    assert_snapshot!(printed(|out| names(out, &[], "No modules.")), @"No modules.");
}

#[test]
fn available_modules_and_libraries_are_tables() {
    let plain = Paint::new(false);
    let libraries: Vec<AvailableLibrary> = serde_json::from_value(json!([
        {"name": "ramda-0.29.0", "id": "ramda", "version": "0.29.0", "global": "R", "cached": true, "size_bytes": 9},
        {"name": "own", "cached": false},
    ]))
    .unwrap();
    assert_snapshot!(printed(|out| available_libraries(out, plain, &libraries)), @r"
    NAME          GLOBAL  CACHED
    ramda-0.29.0  R       yes
    own           -       no
    ");
    let modules: Vec<AvailableModule> =
        serde_json::from_value(json!([{"name": "fs", "summary": "files"}])).unwrap();
    assert_snapshot!(printed(|out| available_modules(out, plain, &modules)), @r"
    NAME  SUMMARY
    fs    files
    ");
}
