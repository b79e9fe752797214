//! The memory of many sessions together.

use vm_system_tests::{Daemon, Process};

/// The number of sessions that are open at once.
const SESSIONS: usize = 200;

/// The bound on the memory of all processes together, in KiB: 300 MB.
const LIMIT_KIB: u64 = 300 * 1000;

#[test]
fn two_hundred_sessions_fit_in_300_mb() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| daemon.session_of(&template))
        .collect();
    for (number, session) in sessions.iter().enumerate() {
        assert_eq!(
            session.eval(&format!("globalThis.mine = {number}")),
            number.to_string()
        );
    }
    let mut processes = Process::descendants(daemon.pid());
    processes.retain(|process| process.state != 'Z');
    let pids = processes.iter().map(|process| process.pid);
    let sizes: Option<Vec<u64>> = pids.chain([daemon.pid()]).map(Process::pss_kib).collect();
    match sizes {
        Some(sizes) => {
            let total: u64 = sizes.iter().sum();
            println!(
                "{SESSIONS} sessions in {} processes: {total} KiB",
                sizes.len()
            );
            assert!(total < LIMIT_KIB, "{total} KiB");
        }
        None => println!("not measured: workers can be inspected by root only"),
    }
    let summary = daemon.api.get("/runtime/summary").expect_status(200);
    assert_eq!(summary["active_sessions"], SESSIONS);
    for (number, session) in sessions.iter().enumerate().step_by(20) {
        assert_eq!(session.eval("mine"), number.to_string());
    }
}
