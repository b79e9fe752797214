//! The functions of `exec`, as scripts use them.

use std::fs;

use vm_system_tests::{Daemon, Process, wait_for};

use crate::host_modules::calls::{error_message, module_session};

#[test]
fn exec_gives_what_a_command_wrote_to_both_streams() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "exec");
    assert_eq!(session.eval("exec.run('echo', ['a b', 'c'])"), "a b c\n");
    assert_eq!(session.eval("exec.run('true')"), "");
    let both = session.eval("exec.run('sh', ['-c', 'echo out; echo err >&2'])");
    let mut lines: Vec<_> = both.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    assert_eq!(session.eval("typeof exec.run('echo', ['a'])"), "string");
}

#[test]
fn exec_runs_in_the_worktree() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "exec");
    let root = daemon.worktree().canonicalize().unwrap();
    assert_eq!(
        session.eval("exec.run('pwd')").trim_end(),
        root.to_str().unwrap()
    );
}

#[test]
fn exec_throws_for_a_command_that_fails() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "exec");
    let message = error_message(&session, "exec.run('sh', ['-c', 'echo why >&2; exit 3'])");
    assert!(
        message.contains('3') && message.contains("why"),
        "{message}"
    );
    let message = error_message(&session, "exec.run('no-such-command-anywhere')");
    assert!(message.contains("no-such-command-anywhere"), "{message}");
    error_message(&session, "exec.run('sh', ['-c', 'kill -9 $$'])");
    error_message(&session, "exec.run('sh', [1])");
    assert_eq!(
        session.eval("try { exec.run('false') } catch (e) { 'caught' }"),
        "caught"
    );
}

#[test]
fn a_command_ends_with_the_execution_that_ran_it() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "exec");
    let execution = session.run("exec.run('sh', ['-c', 'echo $$ > pid; exec sleep 600'])");
    assert_eq!(execution["status"], "timeout", "{execution}");
    let pid = fs::read_to_string(daemon.worktree().join("pid")).unwrap();
    let pid = pid.trim().parse().unwrap();
    wait_for("the end of the command", || {
        (!Process::is_alive(pid)).then_some(())
    });
    assert_eq!(session.eval("1"), "1");
}
