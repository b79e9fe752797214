//! Creating sessions, with and without libraries.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, command};

use crate::figures::{Table, Times};
use crate::raw::Connection;

const LIBRARIES: [&str; 3] = ["lodash-4.17.21", "moment-2.29.4", "ramda-0.29.0"];

/// Measures the creation of sessions. The first one of each template, which starts a zygote, is not
/// measured.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    let empty = sessions_of(daemon, &daemon.template());
    let alone = empty.p50();
    table.add("making an empty session", empty);
    if !download(daemon) {
        table.add_statement(
            "not measured: sessions with libraries, which could not be downloaded".into(),
        );
        return;
    }
    let full = sessions_of(daemon, &daemon.template_with_libraries(&LIBRARIES));
    table.figure(
        "with the libraries a session takes",
        full.p50().as_secs_f64() / alone.as_secs_f64(),
        2,
        " times as long to make as an empty one (p50)",
    );
    table.add("making one with lodash, moment and ramda", full);
}

fn sessions_of(daemon: &Daemon, template: &str) -> Times {
    let mut connection = Connection::open(daemon.server());
    let body = json!({
        "template_id": template, "workspace_id": "workspace", "base_commit_oid": "commit",
        "worktree_path": daemon.worktree(),
    });
    let body = body.to_string();
    let mut open = Vec::new();
    let times = Times::of(200, || {
        let (status, answer) = connection.send("POST", "/sessions", &body);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(answer));
        open.push(answer.to_vec());
    });
    for session in open {
        let session: Value = serde_json::from_slice(&session).expect("an answer is JSON");
        let id = session["id"].as_str().expect("a session has an id");
        daemon.session_with_id(id).close();
    }
    times
}

fn download(daemon: &Daemon) -> bool {
    let mut download = command();
    download
        .args(["libs", "download", "--cache"])
        .arg(daemon.library_cache())
        .args(LIBRARIES);
    download
        .output()
        .is_ok_and(|output| output.status.success())
}
