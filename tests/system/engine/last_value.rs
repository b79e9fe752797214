//! `_` and `_error`: the last value and the last exception, for snippets alone.

use serde_json::json;
use vm_system_tests::{Daemon, Process, Role, Session};

/// An expression that shows in three ways whether a name is defined.
const SEEN: &str = "(() => { let used = 'used'; try { _ } catch (error) { used = error.name + ': ' + error.message } \
     let error = 'used'; try { _error } catch (thrown) { error = thrown.message } \
     return [typeof _, '_' in globalThis, used, typeof _error, '_error' in globalThis, error].join() })()";

const NOTHING: &str =
    "undefined,false,ReferenceError: _ is not defined,undefined,false,_error is not defined";

/// Runs a file, and returns the preview of its value.
fn value_of_file(session: &Session, path: &str) -> String {
    let execution = session.submit_file(path).expect_status(201);
    assert_eq!(execution["status"], "ok", "{execution}");
    execution["result"]["preview"].as_str().unwrap().to_owned()
}

#[test]
fn the_last_value_is_defined_after_the_first_value() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let execution = session.run("_ + 1");
    assert_eq!(execution["status"], "error", "{execution}");
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("ReferenceError: _ is not defined"),
        "{message}"
    );
    // The exception is the value of `_error`; `_` is still not defined.
    assert_eq!(
        session.eval("_error.message + ('_' in globalThis)"),
        "_ is not definedfalse"
    );
    assert_eq!(session.eval("_"), "_ is not definedfalse");
    session.eval("var y = 1");
    let execution = session.run("_");
    assert_eq!(execution["result"]["type"], "undefined", "{execution}");
    session.eval("var y = 2");
    assert_eq!(session.eval("'_' in globalThis && typeof _"), "undefined");
    for code in [
        "eval('_') * 2",
        "new Function('return _')() - 42",
        "(() => _)()",
        "globalThis._",
    ] {
        session.run("42");
        session.eval(code);
    }
    assert_eq!(session.eval("6 * 7"), "42");
    assert_eq!(session.eval("await null; _ + 1"), "43");
    assert_eq!(session.eval("var kept = () => _; kept()"), "43");
    assert_eq!(session.eval("kept()"), "43");
    session.run("5");
    assert_eq!(session.eval("[1].map(() => _)[0] + kept()"), "10");
}

#[test]
fn files_and_modules_see_neither_name() {
    let daemon = Daemon::start();
    daemon.write("seen.js", SEEN);
    daemon.write(
        "main.mjs",
        &format!("globalThis.main = {SEEN}; export {{}};"),
    );
    let module = format!(
        "globalThis.atTop = {SEEN}; export const top = atTop; export const late = () => {SEEN};"
    );
    daemon.write("module.mjs", &module);
    daemon.write(
        "waits.mjs",
        &format!("await null; export const top = {SEEN};"),
    );
    daemon.write(
        "common.cjs",
        &format!("module.exports = {{top: {SEEN}, late: () => {SEEN}}}"),
    );
    daemon.write(
        "startup.js",
        &format!("globalThis.startup = {SEEN}; function ofStartup() {{ return {SEEN} }}"),
    );
    daemon.write(
        "startup.mjs",
        &format!("globalThis.startupModule = {SEEN};"),
    );
    daemon.write("calls.js", "fromSnippet()");
    let template = daemon.template();
    for (path, mode) in [("startup.js", "eval"), ("startup.mjs", "import")] {
        let body = json!({"path": path, "mode": mode});
        let files = format!("/templates/{template}/startup-files");
        daemon.api.post(&files, &body).expect_status(201);
    }
    let session = daemon.session_of(&template);
    assert_eq!(value_of_file(&session, "seen.js"), NOTHING);
    session.run("throw new Error('known')");
    session.run("'known'");
    assert!(
        session
            .eval(SEEN)
            .starts_with("string,true,used,object,true,used")
    );
    assert_eq!(session.eval("startup"), NOTHING);
    assert_eq!(session.eval("startupModule"), NOTHING);
    assert_eq!(session.eval("ofStartup()"), NOTHING);
    assert_eq!(value_of_file(&session, "seen.js"), NOTHING);
    value_of_file(&session, "main.mjs");
    assert_eq!(session.eval("main"), NOTHING);
    for code in [
        "(await import('./module.mjs')).top",
        "import { top } from './module.mjs'; top",
        "import { late } from './module.mjs'; late()",
        "(await import('./waits.mjs')).top",
        "require('./common.cjs').top",
        "require('./common.cjs').late()",
        "[1].map(require('./common.cjs').late)[0]",
        "import common from './common.cjs'; common.late()",
    ] {
        assert_eq!(session.eval(code), NOTHING, "{code}");
    }
    session.eval(&format!("function fromSnippet() {{ return {SEEN} }}"));
    assert_eq!(value_of_file(&session, "calls.js"), NOTHING);
    // Files change neither name.
    session.eval("'mine'");
    value_of_file(&session, "seen.js");
    assert_eq!(session.eval("_"), "mine");
}

#[test]
fn a_global_of_that_name_is_visible_to_all_code() {
    let daemon = Daemon::start();
    daemon.write_library("dash-1.0.js", "var root = this; root._ = {name: 'dash'};");
    daemon.write("name.js", "_.name");
    daemon.write("name.mjs", "export const name = _.name;");
    let session = daemon.session_of(&daemon.template_with_libraries(&["dash-1.0"]));
    session.run("1");
    for code in [
        "_.name",
        "(await import('./name.mjs')).name",
        "globalThis._.name",
    ] {
        assert_eq!(session.eval(code), "dash", "{code}");
    }
    assert_eq!(value_of_file(&session, "name.js"), "dash");
    // A global of a script is visible as well, until the script deletes it.
    for (code, name) in [
        ("var _ = {name: 'declared'}; 1", "declared"),
        ("const _ = {name: 'constant'}; 1", "constant"),
        ("globalThis._ = {name: 'set'}; 1", "set"),
        ("_ = {name: 'assigned'}; 1", "assigned"),
    ] {
        let session = daemon.session();
        session.run("7");
        session.eval(code);
        session.run("2");
        assert_eq!(session.eval("_.name"), name, "{code}");
        assert_eq!(value_of_file(&session, "name.js"), name, "{code}");
    }
    let session = daemon.session();
    session.eval("globalThis._ = 'mine'; 7");
    assert_eq!(session.eval("delete globalThis._; _"), "7");
}

#[test]
fn a_file_may_have_a_global_of_that_name() {
    let daemon = Daemon::start();
    daemon.write(
        "sets.js",
        "_ = 'of the file'; Object.keys(globalThis).includes('_')",
    );
    daemon.write("strict.js", "'use strict'; _ = 1");
    let session = daemon.session();
    session.run("1");
    let execution = session.submit_file("strict.js").expect_status(201);
    assert_eq!(execution["status"], "error", "{execution}");
    assert_eq!(session.eval("_"), "1");
    assert_eq!(value_of_file(&session, "sets.js"), "true");
    assert_eq!(session.eval("_"), "of the file");
}

#[test]
fn the_last_value_survives_roll_backs_and_replaced_processes() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_limits(&json!({"wall_ms": 1000})));
    session.run("throw new Error('first')");
    session.run("'kept'");
    for checkpointed in [false, true] {
        if checkpointed {
            session.checkpoint();
            session.run("'kept'");
        }
        let execution = session.run("globalThis._; while (true);");
        assert_eq!(execution["status"], "timeout", "{execution}");
        assert_eq!(session.eval("_"), "kept");
        Process::kill(daemon.process_of(&session, Role::Session));
        assert_eq!(session.eval("_"), "kept");
        assert_eq!(session.eval("_error.message"), "first");
        session.run("'kept'");
    }
    // If neither name is defined, neither is defined in the next process.
    let session = daemon.session();
    daemon.write("one.js", "1");
    value_of_file(&session, "one.js");
    Process::kill(daemon.process_of(&session, Role::Session));
    assert_eq!(session.eval(SEEN), NOTHING);
}

#[test]
fn the_global_object_stays_the_same() {
    let daemon = Daemon::start();
    let session = daemon.session();
    session.run("1");
    for (code, value) in [
        ("globalThis instanceof Object", "true"),
        (
            "String(globalThis) + toString()",
            "[object Object][object Undefined]",
        ),
        (
            "globalThis.hasOwnProperty('_') || Object.keys(globalThis).includes('_')",
            "false",
        ),
        (
            "const names = []; for (const name in globalThis) names.push(name); names.includes('_')",
            "false",
        ),
        (
            "typeof hasOwnProperty + typeof missing",
            "functionundefined",
        ),
        (
            "'toString' in globalThis && !('missing' in globalThis)",
            "true",
        ),
        ("globalThis.constructor === Object", "true"),
    ] {
        assert_eq!(session.eval(code), value, "{code}");
    }
    let shown = session.eval("globalThis");
    assert!(shown.contains("Object [global]"), "{shown}");
}

#[test]
fn a_template_can_switch_the_names_off() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let body = json!({"kind": "global", "name": "_", "enabled": false});
    let path = format!("/templates/{template}/capabilities");
    daemon.api.post(&path, &body).expect_status(201);
    let session = daemon.session_of(&template);
    session.run("1");
    assert_eq!(
        session.eval("typeof _ + ('_' in globalThis)"),
        "undefinedfalse"
    );
}
