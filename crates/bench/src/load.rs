//! Many sessions at once.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde_json::json;
use vm_system_tests::Daemon;

use crate::figures::Table;
use crate::raw::Connection;

/// A snippet that is committed without a checkpoint, and one that is not.
pub(crate) const SNIPPETS: [(&str, &str); 2] = [
    ("", "1 + 1"),
    (
        ", with a checkpoint each",
        // It learns more than is kept to be told once more.
        "crypto.getRandomValues(new Uint8Array(1024)).length",
    ),
];

/// How long each load lasts.
pub(crate) const LASTING: Duration = Duration::from_secs(3);

/// How many sessions are open at once, to see what one takes.
pub(crate) const OPEN: u32 = 1000;

/// Measures how many executions end in a second with some numbers of sessions.
pub(crate) fn measure(daemon: &Daemon, table: &mut Table) {
    for count in [1, 4, 16, 64] {
        let sessions: Vec<_> = (0..count).map(|_| daemon.session()).collect();
        for (addition, code) in SNIPPETS {
            let before = busy_ms();
            let ids: Vec<_> = sessions.iter().map(|session| session.id.clone()).collect();
            let ended = f64::from(executions_in(daemon.server(), &ids, code, LASTING));
            let busy = (busy_ms() - before) / ended;
            let name = format!("{count} sessions at once{addition}:");
            table.figure(&name, ended / LASTING.as_secs_f64(), 0, " executions/s");
            let unit = " ms of the machine's processor time for each execution";
            table.figure(name, busy, 2, unit);
        }
        for session in sessions {
            session.close();
        }
    }
}

/// How many executions end in the time, with one client for each session.
pub(crate) fn executions_in(
    server: &str,
    sessions: &[String],
    code: &str,
    lasting: Duration,
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
                    while start.elapsed() < lasting {
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

/// Measures what an idle session takes of the system's memory.
pub(crate) fn measure_memory(daemon: &Daemon, table: &mut Table) {
    let template = daemon.template();
    daemon.session_of(&template).close();
    let before = taken_kib();
    let each_mb = || (taken_kib() - before) / f64::from(OPEN) * 1.024 / 1e3;
    let sessions: Vec<_> = (0..OPEN).map(|_| daemon.session_of(&template)).collect();
    let name = format!("{OPEN} sessions open at once take");
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

/// The memory that processes have for themselves, and the kernel for them, in KiB.
fn taken_kib() -> f64 {
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

/// How long all processors together have been busy, in milliseconds. Unlike the wall clock it does not count what a host
/// gives to other machines.
pub(crate) fn busy_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").expect("Linux has it");
    let line = text.lines().next().expect("it is about all processors");
    // user, nice, system, idle, iowait, irq, softirq: in hundredths of a second.
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
