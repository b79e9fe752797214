//! Many concurrent sessions: throughput, processor time and memory.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::json;
use vm_system_tests::Daemon;

use crate::figures::Table;
use crate::raw::Connection;

/// The measured snippets, each with the suffix of its row names: one is committed without a new
/// checkpoint, the other with one.
pub(crate) const SNIPPETS: [(&str, &str); 2] = [
    ("", "1 + 1"),
    (
        ", with a checkpoint each",
        // It reads more random bytes than the replay log records, so the session needs a
        // checkpoint.
        "crypto.getRandomValues(new Uint8Array(1024)).length",
    ),
];

/// The duration of each load.
pub(crate) const LOAD_DURATION: Duration = Duration::from_secs(3);

/// The number of sessions that are open while the memory of one is measured.
pub(crate) const OPEN_SESSIONS: u32 = 1000;

/// Measures the executions per second with several numbers of concurrent sessions.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    for count in [1, 4, 16, 64] {
        let sessions: Vec<_> = (0..count).map(|_| daemon.session()).collect();
        for (addition, code) in SNIPPETS {
            let before = busy_ms();
            let ids: Vec<_> = sessions.iter().map(|session| session.id.clone()).collect();
            let ended = f64::from(executions_in(daemon.server(), &ids, code, LOAD_DURATION));
            let busy = (busy_ms() - before) / ended;
            let name = format!("{count} sessions at once{addition}:");
            table.figure(
                &name,
                ended / LOAD_DURATION.as_secs_f64(),
                0,
                " executions/s",
            );
            let unit = " ms of the machine's processor time for each execution";
            table.figure(name, busy, 2, unit);
        }
        for session in sessions {
            session.close();
        }
    }
}

/// The number of executions that end within `duration`, with one client for each session.
pub(crate) fn executions_in(
    server: &str,
    sessions: &[String],
    code: &str,
    duration: Duration,
) -> u32 {
    let barrier = Barrier::new(sessions.len());
    std::thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .iter()
            .map(|session| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut connection = Connection::open(server);
                    let body = json!({"session_id": session, "input": code}).to_string();
                    barrier.wait();
                    let start = Instant::now();
                    let mut ended = 0;
                    while start.elapsed() < duration {
                        let (status, answer) = connection.send("POST", "/executions/repl", &body);
                        assert_eq!(status, 201, "{}", String::from_utf8_lossy(answer));
                        ended += 1;
                    }
                    ended
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .sum()
    })
}

/// Measures the memory of an idle session.
pub(crate) fn measure_memory(daemon: &Daemon, table: &mut Table) {
    let template = daemon.template();
    daemon.session_of(&template).close();
    let before = used_kib();
    let each_mb = || (used_kib() - before) / f64::from(OPEN_SESSIONS) * 1.024 / 1e3;
    let sessions: Vec<_> = (0..OPEN_SESSIONS)
        .map(|_| daemon.session_of(&template))
        .collect();
    let name = format!("{OPEN_SESSIONS} sessions open at once take");
    table.figure(&name, each_mb(), 2, " MB each");
    for session in &sessions {
        session.eval("globalThis.count = 1");
    }
    let unit = " MB each once they have run something";
    table.figure(&name, each_mb(), 2, unit);
    for session in &sessions {
        session.checkpoint();
    }
    table.figure(name, each_mb(), 2, " MB each with a checkpoint");
    for session in sessions {
        session.close();
    }
}

/// The memory of all processes, with the kernel's memory for them, in KiB.
fn used_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("Linux has it");
    let kinds = [
        "AnonPages:",
        "Shmem:",
        "PageTables:",
        "KernelStack:",
        "SUnreclaim:",
    ];
    text.lines()
        .filter(|line| kinds.iter().any(|kind| line.starts_with(kind)))
        .map(|line| {
            let number = line.split_whitespace().nth(1);
            let number = number.expect("a line has a number");
            number.parse::<f64>().expect("it is one")
        })
        .sum()
}

/// The busy time of all processors together since the system started, in milliseconds. Unlike the
/// wall clock it excludes the time that a host gives to other virtual machines.
pub(crate) fn busy_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").expect("Linux has it");
    let line = text.lines().next().expect("it is about all processors");
    // The fields are user, nice, system, idle, iowait, irq and softirq, in hundredths of a second.
    let fields = line.split_whitespace().skip(1);
    let ticks: Vec<f64> = fields
        .map(|field| field.parse().expect("a number"))
        .collect();
    [0, 1, 2, 5, 6]
        .iter()
        .map(|index| ticks[*index])
        .sum::<f64>()
        * 10.0
}
