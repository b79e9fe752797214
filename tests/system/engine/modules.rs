//! ES modules: imports find files of the worktree and nothing else.

use std::os::unix::fs::symlink;

use serde_json::json;
use vm_system_tests::Daemon;

/// Files that an import must not find: a script and a JSON file beside the worktree, and links to
/// them.
fn plant(daemon: &Daemon) -> Vec<String> {
    let (script, data) = (
        daemon.home().join("outside.mjs"),
        daemon.home().join("outside.json"),
    );
    std::fs::write(&script, "globalThis.leaked = 1; export default 1;").unwrap();
    std::fs::write(&data, "{\"secret\": 1}").unwrap();
    symlink(&script, daemon.worktree().join("link.mjs")).unwrap();
    symlink(&data, daemon.worktree().join("link.json")).unwrap();
    let absolute = script.to_str().unwrap();
    vec![
        absolute.to_owned(),
        absolute[1..].to_owned(),
        format!("../../../../../..{absolute}"),
        format!("/proc/self/root{absolute}"),
        format!("file://{absolute}"),
        "../outside.mjs".to_owned(),
        "./lib/../../outside.mjs".to_owned(),
        "./link.mjs".to_owned(),
    ]
}

#[test]
fn a_dynamic_import_runs_nothing_outside_the_worktree() {
    let daemon = Daemon::start();
    let specifiers = plant(&daemon);
    let template = daemon.template();
    for specifier in specifiers {
        let session = daemon.session_of(&template);
        session.run(&format!("import('{specifier}').catch(() => {{}})"));
        assert_eq!(session.eval("typeof leaked"), "undefined", "{specifier}");
    }
}

#[test]
fn a_dynamic_import_reads_no_data_outside_the_worktree() {
    let daemon = Daemon::start();
    plant(&daemon);
    let absolute = daemon.home().join("outside.json");
    let session = daemon.session();
    for specifier in [absolute.to_str().unwrap(), "../outside.json", "./link.json"] {
        session.run(&format!(
            "import('{specifier}', {{with: {{type: 'json'}}}}).then(m => {{ globalThis.leaked = m.default }}, () => {{}})"
        ));
        assert_eq!(session.eval("typeof leaked"), "undefined", "{specifier}");
    }
}

#[test]
fn a_static_import_runs_nothing_outside_the_worktree() {
    let daemon = Daemon::start();
    for (number, specifier) in plant(&daemon).into_iter().enumerate() {
        let path = format!("start{number}.mjs");
        daemon.write(&path, &format!("import '{specifier}';"));
        let template = daemon.template();
        let files = format!("/templates/{template}/startup-files");
        let body = json!({"path": path, "mode": "import"});
        daemon.api.post(&files, &body).expect_status(201);
        let answer = daemon.request_session(&template);
        assert_eq!(
            (answer.status, answer.code()),
            (422, "STARTUP_FAILED"),
            "{specifier}: {}",
            answer.text
        );
    }
}

#[test]
fn an_import_of_a_device_does_no_harm() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for specifier in ["/dev/zero", "/proc/self/environ", "/dev/stdin"] {
        let execution = session.run(&format!("import('{specifier}')"));
        assert_eq!(execution["status"], "error", "{specifier}: {execution}");
        assert_eq!(
            execution["error"].get("code"),
            None,
            "{specifier}: {execution}"
        );
    }
}

#[test]
fn modules_find_the_files_of_the_worktree_as_the_default_resolver_says() {
    let daemon = Daemon::start();
    daemon.write("lib/two.js", "export const two = 2;");
    daemon.write(
        "lib/three.mjs",
        "import { two } from './two.js'; export const three = two + 1;",
    );
    for (number, specifier) in [
        "./lib/three.mjs",
        "lib/three.mjs",
        "/lib/three.mjs",
        "./lib/three",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("start{number}.mjs");
        let source = format!("import {{ three }} from '{specifier}'; globalThis.found = three;");
        daemon.write(&path, &source);
        let template = daemon.template();
        let files = format!("/templates/{template}/startup-files");
        let body = json!({"path": path, "mode": "import"});
        daemon.api.post(&files, &body).expect_status(201);
        let session = daemon.session_of(&template);
        assert_eq!(session.eval("found"), "3", "{specifier}");
    }
}

#[test]
fn a_file_that_is_run_is_not_run_again_by_those_that_it_requires() {
    let daemon = Daemon::start();
    daemon.write(
        "one.js",
        "console.log('one'); exports.early = 1; const two = require('./two'); exports.late = 2; JSON.stringify(two)",
    );
    daemon.write(
        "two.js",
        "const one = require('./one'); exports.seen = { ...one }; exports.isMain = require.main.exports === one",
    );
    let session = daemon.session();
    let execution = session.submit_file("one.js").expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
    assert_eq!(session.console(&execution), ["one"]);
    assert_eq!(
        execution["result"]["preview"],
        "{\"seen\":{\"early\":1},\"isMain\":true}"
    );
    // In a later execution, the file is no longer the main module.
    let execution = session.run("require('./one').late");
    assert_eq!(execution["result"]["preview"], "2");
    assert_eq!(session.console(&execution), ["one"]);
    assert_eq!(session.eval("require.main"), "undefined");
}
