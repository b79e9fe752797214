//! `SIGSTOP` of database processes, commands and their supervisors.

use vm_system_tests::{Daemon, Process, wait_for};

use crate::durability::stopping::{
    BOUND, database_session, process_named, start_with_short_limit, submit_with_short_limit,
    wait_until_dead, within_bound,
};

#[test]
fn a_query_on_a_stopped_database_process_ends_with_its_execution() {
    let daemon = Daemon::start();
    let (session, process) = database_session(&daemon);
    session.eval("db.exec('CREATE TABLE t (x)'); 1");
    Process::stop(process);
    let answer = submit_with_short_limit(&daemon, &session, "db.query('SELECT 1 AS one')");
    assert_eq!(answer.expect_status(201)["status"], "timeout");
    wait_until_dead(process);
    // The next execution gets an error with the reason, and can open another connection.
    let said = session.run("db.query('SELECT 1 AS one')");
    let message = said["error"]["message"].as_str().unwrap();
    // The daemon noticed the stopped process, or its wait timed out.
    let is_told = message.contains("the database process") && message.contains("connection ended");
    assert!(is_told, "{message}");
    let one = "db.configure('sqlite3', ':memory:'); db.query('SELECT 1 AS one')[0].one";
    assert_eq!(session.eval(one), "1");
}

#[test]
fn a_script_gets_an_error_when_its_database_process_is_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["database"]);
    daemon.raise_time_limits(&template);
    let (session, process) = database_session(&daemon);
    Process::stop(process);
    let tried = "try { db.query('SELECT 1') } catch (error) { error.message }";
    let message = within_bound("a query", || session.eval(tried));
    assert!(
        message.contains("database process did not answer for 3 s"),
        "{message}"
    );
    wait_until_dead(process);
    assert_eq!(session.record()["status"], "ready");
    // A stopped process that is idle does not delay requests either.
    let (session, process) = database_session(&daemon);
    Process::stop(process);
    within_bound("a close", || session.close());
    wait_until_dead(process);
}

#[test]
fn a_stopped_command_ends_with_its_execution_and_so_does_its_supervisor() {
    let daemon = Daemon::start();
    let session = daemon.session_of(&daemon.template_with_modules(&["exec"]));
    session.eval("var exec = require('exec'); 1");
    for name in ["sleep", "vms-exec"] {
        let running = start_with_short_limit(&daemon, &session, "exec.run('sleep', ['600'])");
        let command = process_named(&daemon, "sleep");
        let supervisor = process_named(&daemon, "vms-exec");
        Process::stop(process_named(&daemon, name));
        let (answer, took) = running.join().unwrap();
        assert_eq!(answer.expect_status(201)["status"], "timeout");
        assert!(took < BOUND, "{took:?}");
        wait_until_dead(command);
        wait_until_dead(supervisor);
    }
}

#[test]
fn a_script_gets_an_error_when_the_supervisor_of_its_command_is_stopped() {
    let daemon = Daemon::start();
    let template = daemon.template_with_modules(&["exec"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    let way = "(setsid sleep 600 &); setsid sh -c \"sleep 600 & sleep 600\" & sleep 600";
    let running = session.start(&format!("require('exec').run('sh', ['-c', '{way}'])"));
    let supervisor = process_named(&daemon, "vms-exec");
    let all = wait_for("its commands", || {
        let all = Process::descendants(supervisor);
        let sleeping = all.iter().filter(|process| process.name == "sleep");
        (sleeping.count() == 4).then_some(all)
    });
    Process::stop(supervisor);
    let execution = within_bound("a command", || running.join().unwrap()).expect_status(201);
    let message = execution["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("supervisor did not answer for 3 s"),
        "{message}"
    );
    for process in all {
        wait_until_dead(process.pid);
    }
}
