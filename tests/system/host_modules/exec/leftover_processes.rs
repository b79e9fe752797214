//! No process that a command of `exec` starts outlives it.

use std::fs;
use std::path::Path;

use serde_json::json;
use vm_system_tests::{Daemon, Process, Session, wait_for};

/// The seconds for which leftover processes sleep: a number that no other test has in its commands.
fn seconds(daemon: &Daemon) -> String {
    format!("7{:06}", daemon.pid())
}

/// The command lines of the processes that a test has started and that still run.
fn left(of: &str) -> Vec<String> {
    let all = Process::all().into_iter();
    all.filter(|process| process.state != 'Z')
        .filter_map(|process| fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).ok())
        .filter(|line| line.split('\0').any(|word| word == of))
        .collect()
}

fn exec_session(daemon: &Daemon) -> Session {
    let session = daemon.session_of(&daemon.template_with_modules(&["exec"]));
    session.eval("var exec = require('exec'); 1");
    session
}

/// Shell scripts that each leave a `sleep` behind in another way.
fn ways(sleep: &str) -> Vec<String> {
    let quiet = "</dev/null >/dev/null 2>&1";
    let mut ways = vec![
        format!("sleep {sleep} {quiet} &"),
        format!("setsid sleep {sleep} {quiet} &"),
        format!("((sleep {sleep} {quiet} &) &)"),
        format!("(setsid sh -c '(setsid sleep {sleep} &) &' {quiet} &)"),
        format!("nohup setsid nohup sleep {sleep} {quiet} &"),
        format!("setsid sh -c 'trap \"\" TERM HUP INT; sleep {sleep}; sleep {sleep}' {quiet} &"),
        format!("setsid env -i sh -c 'cd /; sleep {sleep}' {quiet} &"),
        format!("for i in 1 2 3 4 5 6 7 8; do setsid sleep {sleep} {quiet} & done"),
        format!("setsid sh -c 'sleep {sleep} & kill -STOP $!; kill -STOP $$' {quiet} &"),
        // The command kills itself.
        format!("setsid sleep {sleep} {quiet} & kill -9 $$"),
    ];
    if Path::new("/usr/bin/perl").exists() {
        let daemonize = "use POSIX; exit if fork; POSIX::setsid(); exit if fork; chdir \"/\"; \
             POSIX::close($_) for 0..63; exec \"sleep\", ";
        ways.push(format!("perl -e '{daemonize} \"{sleep}\"'"));
    }
    ways
}

#[test]
fn nothing_is_left_when_a_command_has_ended() {
    let daemon = Daemon::start();
    let (session, sleep) = (exec_session(&daemon), seconds(&daemon));
    for way in ways(&sleep) {
        let code = format!("exec.spawnSync('sh', ['-c', {}]).pid; 1", json!(way));
        let execution = session.run(&code);
        assert_eq!(execution["status"], "ok", "{way}: {execution}");
        assert_eq!(left(&sleep), Vec::<String>::new(), "{way}");
    }
}

#[test]
fn nothing_is_left_of_a_command_whose_execution_is_rolled_back() {
    let daemon = Daemon::start();
    let (session, sleep) = (exec_session(&daemon), seconds(&daemon));
    for way in ways(&sleep) {
        let way = format!("{way}\nwait; exec sleep {sleep}");
        let body = json!({
            "session_id": session.id,
            "input": format!("exec.run('sh', ['-c', {}])", json!(way)),
            "limits": {"wall_ms": 700},
        });
        let execution = daemon
            .api
            .post("/executions/repl", &body)
            .expect_status(201);
        assert_ne!(execution["status"], "ok", "{way}: {execution}");
        wait_for("all that the command started to be gone", || {
            left(&sleep).is_empty().then_some(())
        });
    }
}

#[test]
fn a_chain_of_processes_that_fork_and_exit_is_ended() {
    let daemon = Daemon::start();
    let (session, marker) = (exec_session(&daemon), seconds(&daemon));
    // The chain also ends when its file is removed, so that a failing test leaves no process.
    daemon.write(
        "chain.sh",
        "setsid sh chain.sh $1 </dev/null >/dev/null 2>&1 &\n",
    );
    session.eval(&format!("exec.run('sh', ['chain.sh', '{marker}']); 1"));
    wait_for("the chain to end", || {
        (0..3).all(|_| left(&marker).is_empty()).then_some(())
    });
}

#[test]
fn commands_of_other_sessions_go_on() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["exec"]);
    daemon.raise_time_limits(&template);
    let (other, sleep) = (daemon.session_of(&template), seconds(&daemon));
    let running = other.start(&format!(
        "require('exec').run('sh', ['-c', 'setsid sleep {sleep}; echo done'])"
    ));
    wait_for("its command", || (left(&sleep).len() == 1).then_some(()));
    let zygote = daemon.zygote();
    let session = exec_session(&daemon);
    session.eval("exec.run('sh', ['-c', 'setsid sleep 600 </dev/null >/dev/null 2>&1 &']); 1");
    session.close();
    assert_eq!(left(&sleep).len(), 1);
    assert_eq!(daemon.zygote(), zygote);
    other.close();
    running.join().unwrap().expect_status(201);
    wait_for("its command to be gone", || {
        left(&sleep).is_empty().then_some(())
    });
}

#[test]
fn nothing_is_left_of_the_commands_of_a_daemon_that_is_killed() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["exec"]);
    daemon.raise_time_limits(&template);
    let sleep = seconds(&daemon);
    let way = format!("setsid sleep {sleep} & (setsid sleep {sleep} &); sleep {sleep}");
    let command = format!("require('exec').run('sh', ['-c', '{way}'])");
    let running = daemon.session_of(&template).start(&command);
    wait_for("its commands", || (left(&sleep).len() == 3).then_some(()));
    let _home = daemon.kill();
    wait_for("its commands to be gone", || {
        left(&sleep).is_empty().then_some(())
    });
    assert!(running.join().is_err());
}

#[test]
fn out_of_memory_commands_are_killed_before_their_supervisor_and_sessions_before_the_zygote() {
    let daemon = Daemon::start();
    let score = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    let template = daemon.template_with_modules(&["exec", "database"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    daemon.checkpoint(&session);
    session.eval("require('database').configure('sqlite3', ':memory:'); 1");
    let (zygote, own) = (daemon.zygote(), score(daemon.pid()));
    let helpers = [zygote];
    assert!(score(zygote) > own);
    let running = session.start("require('exec').run('sleep', ['600'])");
    wait_for("the command", || {
        let mut all = Process::descendants(daemon.pid()).into_iter();
        all.find(|process| process.name == "sleep")
    });
    for process in Process::descendants(daemon.pid()) {
        if helpers.contains(&process.pid) || process.name == "vms-exec" {
            assert_eq!(score(process.pid), score(zygote), "{process:?}");
        } else {
            assert!(score(process.pid) > score(zygote), "{process:?}");
        }
    }
    session.close();
    running.join().unwrap();
}
