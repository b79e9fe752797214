//! Libraries and startup files, which run before the first execution of a session.

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon, Session, wait_for};

use crate::support::assertions::{assert_names, column, text};

/// A template with startup files, each with an order and a mode.
fn template_with_startup(daemon: &Daemon, files: &[(&str, i64, &str)]) -> String {
    let template = daemon.template();
    for (path, order, mode) in files {
        let body = json!({"path": path, "order_index": order, "mode": mode});
        let files = format!("/templates/{template}/startup-files");
        daemon.api.post(&files, &body).expect_status(201);
    }
    template
}

#[test]
fn startup_files_run_in_order_and_are_recorded() {
    let daemon = Daemon::start();
    daemon.write(
        "one.js",
        "globalThis.order = ['one']; console.log('first');",
    );
    daemon.write("lib/two.js", "order.push('two'); order.length");
    let files = [("lib/two.js", 20, "eval"), ("one.js", 10, "eval")];
    let session = daemon.session_of(&template_with_startup(&daemon, &files));
    assert_eq!(session.eval("order.join()"), "one,two");
    let executions = session.executions();
    assert_eq!(executions.len(), 3);
    for (execution, path) in [(&executions[2], "one.js"), (&executions[1], "lib/two.js")] {
        assert_eq!(execution["kind"], "startup");
        assert_eq!(execution["path"], path);
        assert_eq!(execution["status"], "ok");
        let events = session.events(execution);
        assert_eq!(events[0]["type"], "input_echo");
        assert_eq!(events[0]["payload"], json!({"text": path}));
        assert_eq!(events.last().unwrap()["type"], "value");
    }
    assert_eq!(session.console(&executions[2]), ["first"]);
}

#[test]
fn a_startup_file_can_be_a_module() {
    let daemon = Daemon::start();
    daemon.write(
        "one.js",
        "import { two } from './lib/two.js'; globalThis.sum = 1 + two;",
    );
    daemon.write("lib/two.js", "export const two = 2;");
    let template = template_with_startup(&daemon, &[("one.js", 0, "import")]);
    assert_eq!(daemon.session_of(&template).eval("sum"), "3");
}

#[test]
fn a_module_without_imports_works_as_a_startup_file() {
    let daemon = Daemon::start();
    daemon.write("one.mjs", "globalThis.here = 'yes'; export const x = 1;");
    let template = template_with_startup(&daemon, &[("one.mjs", 0, "import")]);
    assert_eq!(daemon.session_of(&template).eval("here"), "yes");
}

/// Checks the record of a session that could not be started, and returns it.
fn failed_session(daemon: &Daemon, template: &str, code: &str, named: &str) -> (Session, Value) {
    let open = daemon.session();
    let answer = daemon.request_session(template).expect_error(422, code);
    assert_names(&answer, named);
    let details = answer.json["error"]["details"].clone();
    let id = text(&details, "session_id").to_owned();
    assert!(details.to_string().contains(named), "{details}");
    let row = daemon
        .api
        .get(&format!("/sessions/{id}"))
        .expect_status(200);
    assert_eq!(row["status"], "crashed");
    assert!(text(&row, "last_error").contains(named), "{row}");
    let crashed = daemon
        .api
        .get("/sessions?status=crashed")
        .expect_status(200);
    assert_eq!(column(&crashed, "id"), [&*id]);
    daemon
        .api
        .post("/executions/repl", &json!({"session_id": id, "input": "1"}))
        .expect_error(409, "SESSION_NOT_READY");
    let summary = daemon.api.get("/runtime/summary").expect_status(200);
    assert_eq!(summary["active_session_ids"], json!([open.id]));
    let mut session = open;
    session.id = id;
    (session, details)
}

#[test]
fn a_failing_startup_file_crashes_the_session() {
    let daemon = Daemon::start();
    daemon.write("good.js", "1");
    daemon.write(
        "bad.js",
        "console.log('before'); throw new TypeError('no good')",
    );
    let files = [
        ("good.js", 0, "eval"),
        ("bad.js", 1, "eval"),
        ("never.js", 2, "eval"),
    ];
    let template = template_with_startup(&daemon, &files);
    let (session, _) = failed_session(&daemon, &template, "STARTUP_FAILED", "bad.js");
    let row = session.record();
    assert!(
        text(&row, "last_error").contains("TypeError: no good"),
        "{row}"
    );
    let executions = session.executions();
    assert_eq!(executions.len(), 2);
    assert_eq!(
        (&executions[0]["kind"], &executions[0]["status"]),
        (&json!("startup"), &json!("error"))
    );
    assert_eq!(session.console(&executions[0]), ["before"]);
    assert_eq!(executions[1]["status"], "ok");
}

#[test]
fn a_missing_startup_file_crashes_the_session() {
    let daemon = Daemon::start();
    let template = template_with_startup(&daemon, &[("missing.js", 0, "eval")]);
    failed_session(&daemon, &template, "STARTUP_FAILED", "missing.js");
}

#[test]
fn a_missing_library_crashes_the_session() {
    let daemon = Daemon::start();
    let template = daemon.template_with_libraries(&["lodash-4.17.21"]);
    failed_session(&daemon, &template, "LIBRARY_UNAVAILABLE", "lodash-4.17.21");
}

#[test]
fn libraries_of_the_cache_are_loaded_before_the_startup_files() {
    let daemon = Daemon::start();
    daemon.write_library("own-1.0.js", "var own = {version: '1.0'};");
    daemon.write("a.js", "globalThis.seen = own.version");
    let template = template_with_startup(&daemon, &[("a.js", 0, "eval")]);
    let libraries = format!("/templates/{template}/libraries");
    daemon
        .api
        .post(&libraries, &json!({"name": "own-1.0"}))
        .expect_status(201);
    assert_eq!(
        daemon.session_of(&template).eval("seen + own.version"),
        "1.01.0"
    );
}

/// Requests a session on a thread of its own; returns the id when the session is starting.
fn start_session(daemon: &Daemon, template: &str) -> (std::thread::JoinHandle<Answer>, String) {
    let (api, template, worktree) = (daemon.api.clone(), template.to_owned(), daemon.worktree());
    let starting = std::thread::spawn(move || {
        let body = json!({
            "template_id": template,
            "workspace_id": "w",
            "base_commit_oid": "c",
            "worktree_path": worktree,
        });
        api.post("/sessions", &body)
    });
    let id = wait_for("the session to be starting", || {
        let list = daemon
            .api
            .get("/sessions?status=starting")
            .expect_status(200);
        column(&list, "id").first().map(|id| (*id).to_owned())
    });
    (starting, id)
}

#[test]
fn a_starting_session_takes_no_executions_yet() {
    let daemon = Daemon::start();
    daemon.write("a.js", "while (!require('fs').existsSync('go'));");
    let template = template_with_startup(&daemon, &[("a.js", 0, "eval")]);
    let modules = format!("/templates/{template}/modules");
    daemon
        .api
        .post(&modules, &json!({"name": "fs"}))
        .expect_status(201);
    daemon.raise_time_limits(&template);
    let (starting, id) = start_session(&daemon, &template);
    let body = json!({"session_id": id, "input": "1"});
    let answer = daemon.api.post("/executions/repl", &body);
    answer.expect_error(409, "SESSION_NOT_READY");
    let summary = daemon.api.get("/runtime/summary").expect_status(200);
    assert_eq!(summary["active_sessions"], 0);
    daemon.write("go", "");
    let session = starting.join().unwrap().expect_status(201);
    assert_eq!(session["id"], *id);
    daemon
        .api
        .post("/executions/repl", &body)
        .expect_status(201);
}

#[test]
fn a_session_can_be_closed_while_it_starts() {
    let daemon = Daemon::start();
    daemon.write("a.js", "while (true);");
    let template = template_with_startup(&daemon, &[("a.js", 0, "eval")]);
    daemon.raise_time_limits(&template);
    let (starting, id) = start_session(&daemon, &template);
    let executions = || {
        daemon
            .api
            .get(&format!("/executions?session_id={id}"))
            .expect_status(200)
    };
    wait_for("its startup file to run", || {
        (column(&executions(), "status") == ["running"]).then_some(())
    });
    let closed = daemon
        .api
        .delete(&format!("/sessions/{id}"))
        .expect_status(200);
    assert_eq!(closed["status"], "closed", "{closed}");
    assert_ne!(starting.join().unwrap().status, 201);
    let record = daemon
        .api
        .get(&format!("/sessions/{id}"))
        .expect_status(200);
    assert_eq!(record["status"], "closed", "{record}");
    assert_eq!(column(&executions(), "status"), ["cancelled"]);
}

#[test]
fn a_startup_file_that_never_ends_crashes_the_session() {
    let daemon = Daemon::start();
    daemon.write("loop.js", "while (true);");
    let template = template_with_startup(&daemon, &[("loop.js", 0, "eval")]);
    let (session, _) = failed_session(&daemon, &template, "STARTUP_FAILED", "loop.js");
    assert_eq!(session.executions()[0]["status"], "timeout");
}

#[test]
fn a_session_that_can_not_start_is_never_listed_as_ready() {
    let daemon = Daemon::start();
    let template = daemon.template_with_libraries(&["not-there-1.0.0"]);
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            for _ in 0..20 {
                daemon
                    .request_session(&template)
                    .expect_error(422, "LIBRARY_UNAVAILABLE");
            }
        });
        while !failing.is_finished() {
            for query in ["", "?status=ready"] {
                let listed = daemon
                    .api
                    .get(&format!("/sessions{query}"))
                    .expect_status(200);
                let ready = |session: &Value| session["status"] == "ready";
                assert!(!listed.as_array().unwrap().iter().any(ready), "{listed}");
            }
        }
    });
}
