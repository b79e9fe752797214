//! This build beside another one: the same executions in a daemon of each, in pairs by turns.
//!
//! `cargo run --release -p bench -- compare PATH`, where PATH is the other build's `vm-system`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use vm_system_tests::{ANY_PORT, binary};

use crate::figures::Times;
use crate::load::{LASTING, SNIPPETS, busy_ms, executions_in};
use crate::raw::Connection;

/// How many pairs are measured: even, so that each build is the first as often as the other.
const PAIRS: usize = 10;

/// How many executions one after the other give a median time.
const EXECUTIONS: usize = 1000;

/// How many sessions run code at once while processor time is measured.
const SESSIONS: usize = 16;

/// Measures both builds and prints the median of the ratios, this build's figure over the other's.
pub(crate) fn run(other: &Path) {
    let sides = [Side::start(other), Side::start(binary())];
    for (addition, code) in SNIPPETS {
        let mut ratios = [const { Vec::new() }; 2];
        for pair in 0..PAIRS {
            let mut order = [0, 1];
            order.rotate_left(pair % 2);
            let mut figures = [[0.0; 2]; 2];
            for side in order {
                figures[side] = sides[side].measure(code);
            }
            for (kind, ratios) in ratios.iter_mut().enumerate() {
                ratios.push(figures[1][kind] / figures[0][kind]);
            }
        }
        let kinds = ["p50", "processor time per execution"];
        for (kind, mut ratios) in kinds.into_iter().zip(ratios) {
            ratios.sort_unstable_by(f64::total_cmp);
            let median = f64::midpoint(ratios[PAIRS / 2 - 1], ratios[PAIRS / 2]);
            let (least, most) = (ratios[0], ratios[PAIRS - 1]);
            println!(
                "repl: {code}{addition}: {kind}: {median:.3} of the other build's (median of {PAIRS} pairs, {least:.3} to {most:.3})"
            );
        }
    }
}

/// A daemon of one build. It is killed when this is dropped.
struct Side {
    daemon: Child,
    server: String,
    sessions: Vec<String>,
    _home: TempDir,
}

impl Side {
    fn start(program: &Path) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let mut daemon = Command::new(program)
            .args(["serve", "--db", "bench.db", "--library-cache", "libraries"])
            .args(ANY_PORT)
            .current_dir(&home)
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the build can be started");
        let stdout = daemon.stdout.take().expect("it is piped");
        // The pipe stays open in the thread: the daemon may go on to write.
        let mut lines = BufReader::new(stdout).lines();
        let server = loop {
            let line = lines.next().expect("the daemon says its address");
            let line = line.expect("its output is text");
            if let Some(server) = line.split_whitespace().find(|w| w.starts_with("http://")) {
                break server.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let mut connection = Connection::open(&server);
        let template = made(&mut connection, "/templates", &json!({"name": "bench"}));
        let sessions = (0..SESSIONS)
            .map(|number| {
                let worktree = home.path().join(number.to_string());
                std::fs::create_dir(&worktree).expect("a directory can be made");
                let session = json!({
                    "template_id": template, "workspace_id": "bench",
                    "base_commit_oid": "none", "worktree_path": worktree,
                });
                made(&mut connection, "/sessions", &session)
            })
            .collect();
        Self {
            daemon,
            server,
            sessions,
            _home: home,
        }
    }

    /// The median time of an execution in milliseconds, and what one takes of the machine's
    /// processor time while several sessions run code, in milliseconds.
    fn measure(&self, code: &str) -> [f64; 2] {
        let mut connection = Connection::open(&self.server);
        let body = json!({"session_id": self.sessions[0], "input": code}).to_string();
        let times = Times::of(EXECUTIONS, || {
            let (status, answer) = connection.send("POST", "/executions/repl", &body);
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(answer));
        });
        let before = busy_ms();
        let ended = executions_in(&self.server, &self.sessions, code, LASTING);
        let busy = (busy_ms() - before) / f64::from(ended);
        [times.p50().as_secs_f64() * 1e3, busy]
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have died already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Makes something by a POST; gives its id.
fn made(connection: &mut Connection, path: &str, body: &Value) -> String {
    let (status, answer) = connection.send("POST", path, &body.to_string());
    let text = String::from_utf8_lossy(answer);
    assert_eq!(status, 201, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
    answer["id"].as_str().expect("it has an id").to_owned()
}
