//! The heap of each session agrees with its answers while processes are killed at any time.
//!
//! Three environment variables make this test longer than by default. The long form:
//!
//! ```sh
//! VM_SYSTEM_SOAK_SESSIONS=20 VM_SYSTEM_SOAK_EXECUTIONS=50000 VM_SYSTEM_SOAK_KILLS=1000 \
//!     cargo test --workspace --locked --test system -- soak:: --nocapture
//! ```

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vm_system_tests::{Daemon, Process, Session, wait_for};

/// The smallest number of executions between two kills.
const BETWEEN_KILLS: u32 = 3;

/// The bound on the growth of the memory of the daemon and the zygote after the first tenth, in
/// KiB.
const MOST_GROWTH_KIB: u64 = 64 * 1024;

/// The number of slots of the structure in a heap.
const SLOTS: u32 = 64;

/// Creates the structure: slots, a list that is cut at times, and a map, all of which are part of
/// the checksum.
const SETUP: &str = "
    var slots = new Array(64).fill(0), list = [], map = new Map();
    function change(seed) {
        const slot = seed % 64;
        slots[slot] = (slots[slot] * 31 + seed) % 1000003;
        list.push(slots[slot]);
        if (list.length > 100) list = list.slice(50);
        map.set(slot, list.length);
        if (seed % 5 === 0) map.delete((slot * 7) % 64);
        let sum = list.length;
        for (const value of slots) sum = (sum * 31 + value) % 1000003;
        for (const value of list) sum = (sum * 33 + value) % 1000003;
        for (let i = 0; i < 64; i++) sum = (sum * 37 + (map.get(i) ?? 0)) % 1000003;
        return sum;
    }
    1";

/// A model of the heap of a session: the same structure, changed by the same rules.
struct Model {
    slots: Vec<u64>,
    list: Vec<u64>,
    map: Vec<u64>,
}

impl Model {
    fn new() -> Self {
        let zeros = vec![0; SLOTS as usize];
        Self {
            slots: zeros.clone(),
            list: Vec::new(),
            map: zeros,
        }
    }

    /// Changes the model as `change` changes the heap; returns the checksum.
    fn change(&mut self, seed: u32) -> u64 {
        const MODULUS: u64 = 1_000_003;
        let slot = (seed % SLOTS) as usize;
        let value = (self.slots[slot] * 31 + u64::from(seed)) % MODULUS;
        self.slots[slot] = value;
        self.list.push(value);
        if self.list.len() > 100 {
            self.list.drain(..50);
        }
        self.map[slot] = self.list.len() as u64;
        if seed.is_multiple_of(5) {
            self.map[(slot * 7) % SLOTS as usize] = 0;
        }
        let fold = |sum: u64, values: &[u64], factor: u64| {
            let values = values.iter();
            values.fold(sum, |sum, value| (sum * factor + value) % MODULUS)
        };
        let sum = fold(self.list.len() as u64, &self.slots, 31);
        let sum = fold(sum, &self.list, 33);
        fold(sum, &self.map, 37)
    }
}

/// The scale of the test.
#[derive(Clone, Copy, Debug)]
struct Scale {
    sessions: u32,
    /// The number of executions that must end `ok`, in all sessions together.
    executions: u32,
    /// The number of processes that must be killed. If the executions are done before, further ones
    /// are run.
    kills: u32,
}

impl Scale {
    fn from_environment() -> Self {
        Self {
            sessions: number("SESSIONS", 4),
            executions: number("EXECUTIONS", 4000),
            kills: number("KILLS", 50),
        }
    }
}

fn number<T: FromStr>(name: &str, default: T) -> T {
    let name = format!("VM_SYSTEM_SOAK_{name}");
    std::env::var(&name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

/// The progress of the test.
#[derive(Default)]
struct Progress {
    /// The number of requested executions.
    asked: AtomicU32,
    /// The number of executions that ended `ok`.
    ended: AtomicU32,
    /// The number of executions that were rolled back.
    rolled_back: AtomicU32,
    /// The number of sessions that were lost because both processes were killed at once.
    lost: AtomicU32,
    kills: AtomicU32,
    stop: AtomicBool,
}

impl Progress {
    fn is_over(&self, scale: Scale) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.ended.load(Ordering::Relaxed) >= scale.executions
                && self.kills.load(Ordering::Relaxed) >= scale.kills
    }
}

fn add(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Creates a session with the structure in its heap; `None` if its processes are killed meanwhile.
fn start(daemon: &Daemon, template: &str) -> Option<Session> {
    let made = daemon.request_session(template);
    if made.status != 201 {
        made.expect_error(503, "UNAVAILABLE");
        return None;
    }
    let session = daemon.session_with_id(made.json["id"].as_str()?);
    let setup = session.submit(SETUP);
    if setup.status == 201 && setup.json["status"] == "ok" {
        return Some(session);
    }
    session.close();
    None
}

/// Changes the heap of a session and its model until the test is over. A session that is lost,
/// because both of its processes were killed at once, is replaced. Some executions fail half-way
/// through a change.
fn change(daemon: &Daemon, template: &str, scale: Scale, progress: &Progress) {
    let mut current: Option<(Session, Model)> = None;
    let mut seed = 0_u32;
    while !progress.is_over(scale) {
        seed += 1;
        add(&progress.asked);
        let Some((session, model)) = &mut current else {
            current = start(daemon, template).map(|session| (session, Model::new()));
            continue;
        };
        if seed.is_multiple_of(50) {
            // This execution is rolled back, so the next checksum does not contain its changes.
            session.submit("change(1); slots.length = 0; list = map = null; eval('['.repeat(1e5))");
        }
        let code = format!("for (let i = 0; i < 500; i++); change({seed})");
        let answer = session.submit(&code);
        match (answer.status, answer.json["status"].as_str()) {
            (201, Some("ok")) => {
                add(&progress.ended);
                let expected = model.change(seed).to_string();
                let held = &answer.json["result"]["preview"];
                assert_eq!(*held, expected, "{}", answer.text);
            }
            (201, _) => {
                assert_eq!(answer.json["error"]["rolled_back"], true, "{}", answer.text);
                add(&progress.rolled_back);
            }
            _ => {
                answer.expect_error(409, "SESSION_NOT_READY");
                add(&progress.lost);
                current = None;
            }
        }
    }
}

/// Kills session processes and checkpoints, one after the other, until the test is over.
fn kill_at_random(zygote: i32, scale: Scale, progress: &Progress) {
    let mut turn = 0_usize;
    while !progress.is_over(scale) {
        let before = progress.asked.load(Ordering::Relaxed);
        // The kills are spread over the executions, and come at any moment of an execution.
        let apart = (scale.executions / scale.kills.max(1) / 2).max(BETWEEN_KILLS);
        wait_for("some executions to end", || {
            let ended = progress.asked.load(Ordering::Relaxed) >= before + apart;
            (ended || progress.is_over(scale)).then_some(())
        });
        let processes = Process::descendants(zygote);
        if let Some(process) = processes.get(turn % processes.len().max(1)) {
            // The process may have ended already.
            if kill(Pid::from_raw(process.pid), Signal::SIGKILL).is_ok() {
                add(&progress.kills);
            }
        }
        // This stride selects processes of every age and role.
        turn = turn.wrapping_mul(31).wrapping_add(7);
    }
}

/// The resources of a process.
#[derive(Clone, Copy, Debug)]
struct Use {
    /// The number of open descriptors; `None` if this user may not read it: only root can inspect
    /// workers.
    descriptors: Option<usize>,
    rss_kib: u64,
    threads: u64,
}

impl Use {
    fn of(pid: i32) -> Self {
        Self {
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))
                .ok()
                .map(Iterator::count),
            rss_kib: Process::rss_kib(pid),
            threads: Process::status(pid, "Threads")
                .parse()
                .expect("it is a number"),
        }
    }
}

fn running_executions(daemon: &Daemon) -> Vec<serde_json::Value> {
    let sessions = daemon.api.get("/sessions").expect_status(200);
    let ids = sessions.as_array().unwrap().iter();
    ids.flat_map(|session| {
        let id = session["id"].as_str().unwrap();
        let path = format!("/executions?session_id={id}&limit=10000");
        daemon
            .api
            .get(&path)
            .expect_status(200)
            .as_array()
            .unwrap()
            .clone()
    })
    .filter(|execution| execution["status"] == "running")
    .collect()
}

#[test]
fn every_heap_agrees_with_its_answers_while_its_processes_are_killed() {
    let scale = Scale::from_environment();
    let daemon = Daemon::start();
    let template = daemon.template();
    let zygote = daemon.zygote();
    let measured = || [daemon.pid(), zygote].map(Use::of);
    let (progress, started) = (Progress::default(), Instant::now());
    let (at_first, warm) = std::thread::scope(|scope| {
        let at_first = measured();
        let killer = scope.spawn(|| kill_at_random(zygote, scale, &progress));
        let changers: Vec<_> = (0..scale.sessions)
            .map(|_| scope.spawn(|| change(&daemon, &template, scale, &progress)))
            .collect();
        // After a tenth, memory that is allocated once and kept has been allocated.
        let mut warm = at_first;
        while !progress.is_over(scale) && changers.iter().all(|changer| !changer.is_finished()) {
            let ended = progress.ended.load(Ordering::Relaxed);
            if ended <= scale.executions / 10 {
                warm = measured();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let outcomes: Vec<_> = changers
            .into_iter()
            .map(|changer| {
                let outcome = changer.join();
                if outcome.is_err() {
                    progress.stop.store(true, Ordering::Relaxed);
                }
                outcome
            })
            .collect();
        killer.join().expect("the killer ends");
        for outcome in outcomes {
            outcome.expect("a heap agrees with its answers");
        }
        (at_first, warm)
    });
    let [ended, rolled_back, lost, kills] = [
        &progress.ended,
        &progress.rolled_back,
        &progress.lost,
        &progress.kills,
    ]
    .map(|counter| counter.load(Ordering::Relaxed));
    println!(
        "{ended} executions ended well and {rolled_back} were rolled back in {:?}; {kills} processes were killed, {lost} \
         sessions lost",
        started.elapsed()
    );
    assert!(kills >= scale.kills && ended >= scale.executions);
    assert_eq!(daemon.zygote(), zygote);
    for (why, sessions) in reasons(&daemon) {
        println!("{sessions} sessions crashed: {why}");
    }
    let left = running_executions(&daemon);
    assert!(left.is_empty(), "{left:?}");
    close_all(&daemon);
    daemon.wait_until_sessions_are_gone();
    // Connections that clients keep open are closed after a while.
    let at_last = measured();
    for (name, at_first, warm, in_the_end) in [
        ("daemon", at_first[0], warm[0], at_last[0]),
        ("zygote", at_first[1], warm[1], at_last[1]),
    ] {
        println!(
            "the {name} at first {at_first:?}, after a tenth {warm:?}, at last {in_the_end:?}"
        );
        assert!(
            in_the_end.descriptors <= at_first.descriptors.max(warm.descriptors),
            "descriptors of the {name}"
        );
        assert!(
            in_the_end.rss_kib <= warm.rss_kib + MOST_GROWTH_KIB,
            "memory of the {name}"
        );
    }
    assert_eq!(Use::of(zygote).threads, 1);
    assert_eq!(daemon.session().eval("1 + 1"), "2");
}

/// The reasons why sessions crashed, with their numbers.
fn reasons(daemon: &Daemon) -> BTreeMap<String, u32> {
    let sessions = daemon
        .api
        .get("/sessions?status=crashed")
        .expect_status(200);
    let mut reasons = BTreeMap::new();
    for session in sessions.as_array().unwrap() {
        *reasons
            .entry(session["last_error"].to_string())
            .or_default() += 1;
    }
    reasons
}

/// Closes every session that is ready.
fn close_all(daemon: &Daemon) {
    let sessions = daemon.api.get("/sessions?status=ready").expect_status(200);
    for session in sessions.as_array().unwrap() {
        daemon
            .session_with_id(session["id"].as_str().unwrap())
            .close();
    }
}
