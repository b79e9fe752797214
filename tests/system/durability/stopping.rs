//! Helpers of tests that stop processes: the processes to stop, and requests with a bound on their
//! answer.

use std::time::{Duration, Instant};

use serde_json::json;
use vm_system_tests::{Answer, Daemon, Process, Session, wait_for};

/// The bound on the time of every answer. It is a promise to clients, not a measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// Does work that must end within the bound.
#[track_caller]
pub(crate) fn within_bound<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = act();
    let took = begun.elapsed();
    assert!(took < BOUND, "{what} took {took:?}");
    done
}

/// Requests a snippet whose limits end it after a second and a half.
pub(crate) fn submit_with_short_limit(daemon: &Daemon, session: &Session, code: &str) -> Answer {
    let limits = json!({"wall_ms": 1500});
    let body = json!({"session_id": session.id, "input": code, "limits": limits});
    within_bound(code, || daemon.api.post("/executions/repl", &body))
}

/// Requests the same snippet on a thread of its own.
pub(crate) fn start_with_short_limit(
    daemon: &Daemon,
    session: &Session,
    code: &str,
) -> std::thread::JoinHandle<(Answer, Duration)> {
    let limits = json!({"wall_ms": 1500});
    let body = json!({"session_id": session.id, "input": code, "limits": limits});
    let api = daemon.api.clone();
    std::thread::spawn(move || {
        let begun = Instant::now();
        (api.post("/executions/repl", &body), begun.elapsed())
    })
}

/// Waits until a process has ended.
pub(crate) fn wait_until_dead(pid: i32) {
    wait_for("the death of a process", || {
        (!Process::is_alive(pid)).then_some(())
    });
}

/// A descendant of the daemon with this name.
pub(crate) fn process_named(daemon: &Daemon, name: &str) -> i32 {
    wait_for("a process of that name", || {
        let mut below = Process::descendants(daemon.pid()).into_iter();
        below.find(|process| process.name == name && process.state != 'Z')
    })
    .pid
}

/// A session that has opened a database, and its database process.
pub(crate) fn database_session(daemon: &Daemon) -> (Session, i32) {
    let session = daemon.session_of(&daemon.template_with_modules(&["database"]));
    let before: Vec<_> = Process::descendants(daemon.pid());
    session.eval("var db = require('database'); db.configure('sqlite3', ':memory:'); 1");
    let process = wait_for("the database process", || {
        let mut all = Process::descendants(daemon.pid()).into_iter();
        all.find(|process| {
            process.parent == daemon.pid()
                && process.name != "vms-zygote"
                && before.iter().all(|known| known.pid != process.pid)
        })
    });
    (session, process.pid)
}
