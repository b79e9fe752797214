//! Libraries that are missing from the cache or differ from its lock file.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::support::cli::{CliOutput, run_cli};

fn add_library(daemon: &Daemon, template: &str, name: &str) -> CliOutput {
    run_cli(
        daemon,
        &["template", "add-library", template, "--name", name],
    )
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
