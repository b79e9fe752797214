//! The restrictions of session processes, as `/proc` shows them.

use serde_json::json;
use vm_system_tests::{Daemon, DaemonOptions, Process, Role, wait_for};

use crate::support::cli::output_of;

#[track_caller]
fn assert_confined(pid: i32) {
    let is = ["Seccomp", "NoNewPrivs", "Threads"].map(|name| Process::status(pid, name));
    assert_eq!(is, ["2", "1", "1"]);
}

#[test]
fn session_processes_and_checkpoints_are_confined_before_the_first_script() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_confined(daemon.process_of(&session, Role::Session));
    let path = format!("/sessions/{}/inspect", session.id);
    let query = || {
        let body = json!({"expression": "while (true);"});
        daemon.api.post(&path, &body).expect_status(200)
    };
    // A query process runs no code before it is confined either.
    for forked_from_the_zygote in [true, false] {
        std::thread::scope(|scope| {
            let asked = scope.spawn(query);
            let process = wait_for("a process that answers", || {
                let mut processes = Process::descendants(daemon.pid()).into_iter();
                processes.find(|process| {
                    let is_confined = || Process::status(process.pid, "Seccomp") == "2";
                    process.name.starts_with("vms-l-") && process.state == 'R' && is_confined()
                })
            });
            assert_confined(process.pid);
            asked.join().unwrap();
        });
        if forked_from_the_zygote {
            assert_confined(daemon.checkpoint(&session));
        }
    }
}

#[test]
fn a_respawned_session_process_is_confined() {
    let daemon = Daemon::start();
    let session = daemon.session();
    assert_eq!(session.run("while (true);")["status"], "timeout");
    assert_confined(daemon.process_of(&session, Role::Session));
}

#[test]
fn a_promoted_checkpoint_is_confined_and_makes_checkpoints_itself() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let first = daemon.process_of(&session, Role::Session);
    session.eval("var kept = 1");
    assert_eq!(session.run("while (true);")["status"], "timeout");
    assert_eq!(session.eval("kept"), "1");
    let second = daemon.process_of(&session, Role::Session);
    assert_ne!(first, second);
    assert_confined(second);
    assert_confined(daemon.process_of(&session, Role::Checkpoint));
}

#[test]
fn the_zygote_can_gain_no_privileges_and_has_one_thread() {
    let daemon = Daemon::start();
    let zygote = daemon.zygote();
    assert_eq!(Process::status(zygote, "NoNewPrivs"), "1");
    assert_eq!(Process::status(zygote, "Threads"), "1");
}

#[test]
fn the_sandbox_in_force_is_reported_and_can_be_required() {
    let daemon = Daemon::start_with_args(&["--require-sandbox"]);
    let sandbox = daemon.api.get("/runtime/sandbox").expect_status(200);
    for fence in ["seccomp", "no_new_privs", "not_dumpable"] {
        assert_eq!(sandbox[fence], true, "{sandbox}");
    }
    let calls = sandbox["system_calls"].as_array().unwrap();
    assert!(calls.contains(&json!("recvmsg")), "{sandbox}");
    assert!(!calls.contains(&json!("openat")), "{sandbox}");
    assert!(sandbox["landlock"].is_string(), "{sandbox}");
    let printed = output_of(&mut daemon.cli(&["ops", "sandbox"])).ok();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed, sandbox);
}

#[test]
fn sessions_are_made_where_unshare_is_refused() {
    let daemon = Daemon::start_with(DaemonOptions {
        refused_calls: vec![nix::libc::SYS_unshare],
        ..DaemonOptions::default()
    });
    let session = daemon.session();
    session.eval("var kept = 1");
    assert_eq!(session.run("while (true);")["status"], "timeout");
    assert_eq!(session.eval("kept"), "1");
    assert_confined(daemon.process_of(&session, Role::Session));
}
