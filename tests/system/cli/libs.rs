//! `vm-system libs`: the library cache.

use std::fs;

use serde_json::json;
use vm_system_tests::command;

use crate::support::cli::{command_in, output_of};

#[test]
fn the_library_cache_is_listed_and_measured() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join(".vm-cache/libraries");
    let list = output_of(&mut command_in(directory.path(), &["libs", "list"])).ok();
    assert!(list.contains("lodash-4.17.21"), "{list}");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("own.js"), "1234").unwrap();
    let list = output_of(&mut command_in(directory.path(), &["libs", "list"])).ok();
    assert!(list.contains("own"), "{list}");
    let info = output_of(&mut command_in(
        directory.path(),
        &["libs", "cache-info", "--output", "json"],
    ))
    .json();
    assert_eq!(
        (&info["files"], &info["size_bytes"]),
        (&json!(1), &json!(4))
    );
}

#[test]
fn the_cache_of_libraries_has_two_names() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("c")).unwrap();
    for flag in ["--cache", "--cache-dir"] {
        let mut info = command();
        info.args(["libs", "cache-info", flag, "c"])
            .current_dir(home.path());
        let info = output_of(&mut info).ok();
        assert!(info.contains("/c\n"), "{info}");
    }
}
