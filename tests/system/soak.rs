//! What was answered is what the heap holds, whoever is killed and whenever.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vm_system_tests::{Daemon, Process, Session, wait_for};

const SESSIONS: usize = 4;
/// How many executions of each session have to end well.
const EXECUTIONS: u32 = 1000;

/// How many executions end between two kills.
const BETWEEN_KILLS: u32 = 3;

/// Makes a session with a counter in its heap; nothing when its processes are killed meanwhile.
fn start(daemon: &Daemon, template: &str) -> Option<Session> {
    let made = daemon.try_session_of(template);
    if made.status != 201 {
        made.expect_error(503, "UNAVAILABLE");
        return None;
    }
    let session = daemon.session_with_id(made.json["id"].as_str()?);
    let zeroed = session.try_run("globalThis.n = 0");
    (zeroed.status == 201 && zeroed.json["status"] == "ok").then_some(session)
}

/// Counts in the heap and beside it, until enough executions have ended well. A session that is lost, because both of its
/// processes were killed at once, is replaced.
fn count(daemon: &Daemon, template: &str, progress: &AtomicU32) {
    let (mut session, mut answered, mut total) = (None, 0_u32, 0_u32);
    while total < EXECUTIONS {
        progress.fetch_add(1, Ordering::Relaxed);
        let Some(live) = &session else {
            (session, answered) = (start(daemon, template), 0);
            continue;
        };
        let answer = live.try_run("n++; for (let i = 0; i < 2000; i++); n");
        match (answer.status, answer.json["status"].as_str()) {
            (201, Some("ok")) => {
                answered += 1;
                total += 1;
                let held = &answer.json["result"]["preview"];
                assert_eq!(*held, answered.to_string(), "{}", answer.text);
            }
            (201, _) => assert_eq!(answer.json["error"]["rolled_back"], true, "{}", answer.text),
            _ => {
                answer.expect_error(409, "SESSION_NOT_READY");
                session = None;
            }
        }
    }
}

/// Kills session processes and checkpoints, one after the other, until it is told to stop.
fn kill_at_random(zygote: i32, stop: &AtomicBool, progress: &AtomicU32) -> u32 {
    let (mut turn, mut kills) = (0_usize, 0);
    while !stop.load(Ordering::Relaxed) {
        let before = progress.load(Ordering::Relaxed);
        wait_for("some executions to end", || {
            let ended = progress.load(Ordering::Relaxed) >= before + BETWEEN_KILLS;
            (ended || stop.load(Ordering::Relaxed)).then_some(())
        });
        let processes = Process::below(zygote);
        if let Some(process) = processes.get(turn % processes.len().max(1)) {
            // It may be dead already.
            if kill(Pid::from_raw(process.pid), Signal::SIGKILL).is_ok() {
                kills += 1;
            }
        }
        // A stride that meets processes of every age and role.
        turn = turn.wrapping_mul(31).wrapping_add(7);
    }
    kills
}

fn running_executions(daemon: &Daemon) -> Vec<serde_json::Value> {
    let sessions = daemon.api.get("/sessions").expect(200);
    let ids = sessions.as_array().unwrap().iter();
    ids.flat_map(|session| {
        let id = session["id"].as_str().unwrap();
        let path = format!("/executions?session_id={id}&limit=10000");
        daemon
            .api
            .get(&path)
            .expect(200)
            .as_array()
            .unwrap()
            .clone()
    })
    .filter(|execution| execution["status"] == "running")
    .collect()
}

#[test]
fn every_heap_agrees_with_its_answers_while_its_processes_are_killed() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let zygote = daemon.zygote();
    let (stop, progress) = (AtomicBool::new(false), AtomicU32::new(0));
    let kills = std::thread::scope(|scope| {
        let killer = scope.spawn(|| kill_at_random(zygote, &stop, &progress));
        let counters: Vec<_> = (0..SESSIONS)
            .map(|_| scope.spawn(|| count(&daemon, &template, &progress)))
            .collect();
        let outcomes: Vec<_> = counters
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        stop.store(true, Ordering::Relaxed);
        let kills = killer.join().expect("the killer ends");
        for outcome in outcomes {
            outcome.expect("a heap agrees with its answers");
        }
        kills
    });
    println!("{kills} processes were killed");
    assert!(kills > 50, "{kills}");
    assert_eq!(daemon.zygote(), zygote);
    let left = running_executions(&daemon);
    assert!(left.is_empty(), "{left:?}");
    wait_for("every dead process to be reaped", || {
        Process::below(zygote)
            .iter()
            .all(|process| process.state != 'Z')
            .then_some(())
    });
    let session: Session = daemon.session();
    assert_eq!(session.eval("1 + 1"), "2");
}
