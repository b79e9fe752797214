//! Clients that disconnect, concurrent clients, and workers that can't be started.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use vm_system_tests::{Api, Daemon, Process, binary, wait_for};

use crate::support::assertions::{column, text};

/// A daemon whose program is a copy that can be taken away.
struct Copied {
    home: tempfile::TempDir,
    child: Child,
    api: Api,
}

impl Drop for Copied {
    fn drop(&mut self) {
        // It may have ended already.
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
    // A process that another test has just forked may have the descriptor by which the program was written.
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

#[test]
fn an_execution_goes_on_though_its_client_disconnects() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let code = "await new Promise(done => setTimeout(done, 2000)); globalThis.done = 7";
    let body = json!({"session_id": session.id, "input": code}).to_string();
    let address = daemon.server().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/v1/executions/repl HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    wait_for("the execution to run", || {
        (!session.executions().is_empty()).then_some(())
    });
    drop(stream);
    wait_for("the end of the execution", || {
        (session.executions()[0]["status"] != "running").then_some(())
    });
    assert_eq!(session.executions()[0]["status"], "ok");
    assert_eq!(session.eval("done"), "7");
}

#[test]
fn one_of_many_concurrent_creations_of_the_same_name_succeeds() {
    let daemon = Daemon::start();
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| daemon.api.post("/templates", &json!({"name": "a"})).status))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[test]
fn sessions_do_not_wait_for_each_other_and_one_runs_one_thing_at_a_time() {
    let daemon = Daemon::start();
    let (busy, other) = (daemon.session_with_long_limits(), daemon.session());
    let running = busy.start("while (true);");
    assert_eq!(other.eval("6 * 7"), "42");
    assert_eq!(daemon.session().eval("6 * 7"), "42");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| busy.submit("1").expect_error(409, "SESSION_BUSY"));
        }
    });
    busy.close();
    running.join().unwrap().expect_status(201);
    assert_eq!(busy.executions().len(), 1);
}

#[test]
fn many_sessions_can_be_made_and_used_at_once() {
    let daemon = Daemon::start();
    let template = daemon.template();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (daemon, template) = (&daemon, &template);
            scope.spawn(move || {
                let session = daemon.session_of(template);
                session.eval(&format!("globalThis.x = {number}"));
                assert_eq!(session.eval("x"), number.to_string());
            });
        }
    });
    let ready = daemon.api.get("/sessions?status=ready").expect_status(200);
    assert_eq!(column(&ready, "id").len(), 16);
}
