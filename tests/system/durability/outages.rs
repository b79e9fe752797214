//! Workers that can't be started.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use vm_system_tests::{Api, Process, binary, wait_for};

use crate::support::assertions::text;

/// A daemon whose program is a copy that the test can remove.
struct Copied {
    home: tempfile::TempDir,
    child: Child,
    api: Api,
}

impl Drop for Copied {
    fn drop(&mut self) {
        // This fails if the daemon has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve_from(program: &Path, home: tempfile::TempDir) -> Copied {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "off"])
        .current_dir(home.path())
        .stdout(Stdio::piped());
    // A process that another test has just forked may still have the descriptor with which the
    // program was written.
    let mut child = wait_for("the program to be free", || match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
        started => Some(started.expect("the daemon can be started")),
    });
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout
        .read_line(&mut line)
        .expect("it says where it listens");
    let url = line.split(' ').find(|word| word.starts_with("http://"));
    Copied {
        api: Api::new(url.expect(&line)),
        home,
        child,
    }
}

#[test]
fn a_worker_that_can_not_be_started_is_reported_as_unavailable() {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("vm-system");
    std::fs::copy(binary(), &program).unwrap();
    let daemon = serve_from(&program, home);
    let template = daemon
        .api
        .post("/templates", &json!({"name": "a"}))
        .expect_status(201);
    let body = json!({
        "template_id": template["id"],
        "workspace_id": "w",
        "base_commit_oid": "c",
        "worktree_path": daemon.home.path(),
    });
    daemon.api.post("/sessions", &body).expect_status(201);
    let hidden = program.with_extension("hidden");
    std::fs::rename(&program, &hidden).unwrap();
    let pid = i32::try_from(daemon.child.id()).unwrap();
    Process::kill(Process::zygotes(pid)[0].pid);
    wait_for("the session to be crashed", || {
        let list = daemon
            .api
            .get("/sessions?status=crashed")
            .expect_status(200);
        (list.as_array()?.len() == 1).then_some(())
    });
    let answer = daemon
        .api
        .post("/sessions", &body)
        .expect_error(503, "UNAVAILABLE");
    assert!(
        answer.headers.contains_key("retry-after"),
        "{:?}",
        answer.headers
    );
    let crashed = daemon
        .api
        .get("/sessions?status=crashed")
        .expect_status(200);
    assert_eq!(crashed.as_array().unwrap().len(), 2, "{crashed}");
    assert!(!text(&crashed[0], "last_error").is_empty());
    std::fs::rename(&hidden, &program).unwrap();
    daemon.api.post("/sessions", &body).expect_status(201);
}
