//! `vm-system run`: a file without a daemon.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use vm_system_tests::{Process, command, wait_for};

use crate::support::cli::{CliOutput, command_in, output_of};

/// Writes a script and runs it with `vm-system run`.
fn run(script: &str, args: &[&str]) -> CliOutput {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    let mut all = vec!["run", "script.js"];
    all.extend(args);
    let ran = output_of(&mut command_in(directory.path(), &all));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside the script: {left:?}");
    ran
}

#[test]
fn a_file_is_run_without_a_daemon() {
    let ran = run("console.log('a', {b: 1}); console.info('b'); [1, 'x']", &[]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, "a { b: 1 }\nb\n[ 1, 'x' ]\n");
    assert_eq!(ran.stderr, "");
}

#[test]
fn warnings_and_errors_of_a_file_go_to_standard_error() {
    let ran = run(
        "console.log('l'); console.warn('w'); console.error('e'); console.debug('d'); undefined",
        &[],
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.stdout, "l\nd\n");
    assert_eq!(ran.stderr, "w\ne\n");
}

#[test]
fn an_undefined_value_of_a_file_is_not_printed() {
    assert_eq!(run("var y = 1", &[]).ok(), "");
    assert_eq!(run("null", &[]).ok(), "null\n");
    assert_eq!(run("'text'", &[]).ok(), "text\n");
}

#[test]
fn an_exception_of_a_file_is_printed_with_its_stack() {
    let ran = run(
        "console.log('before');\nfunction f() { throw new TypeError('no') }\nf()",
        &[],
    );
    assert_eq!(ran.status, 1);
    assert_eq!(ran.stdout, "before\n");
    assert!(
        ran.stderr.contains("TypeError: no at script.js:2:"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("script.js:3:"), "{}", ran.stderr);
    assert_eq!(run("foo(", &[]).status, 1);
}

#[test]
fn an_exception_of_a_file_is_printed_also_when_its_output_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let script = "console.log('before'); throw new Error('no')";
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    let (_, closed_pipe) = std::io::pipe().unwrap();
    let mut run = command_in(directory.path(), &["run", "script.js", "--output", "json"]);
    let child = run
        .stdout(closed_pipe)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Error: no at script.js:1:"), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_that_a_signal_ends_exits_as_shells_expect() {
    let directory = tempfile::tempdir().unwrap();
    let script = "console.log('begun'); await new Promise(done => setTimeout(done, 4900))";
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut run = command_in(directory.path(), &["run", "script.js"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(run.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        kill(Pid::from_raw(run.id().cast_signed()), signal).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(status));
    }
}

#[test]
fn a_file_that_is_run_gets_its_arguments_and_its_environment() {
    let args = ["--args", "{\"n\":[1]}", "--env", "{\"A\":\"b\"}"];
    let ran = run("JSON.stringify([__ARGS__, __ENV__])", &args);
    assert_eq!(ran.ok(), "[{\"n\":[1]},{\"A\":\"b\"}]\n");
}

#[test]
fn a_file_that_is_run_with_json_output_prints_its_execution() {
    let ran = run("console.log('x'); 42", &["--output", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let execution: Value = serde_json::from_str(&ran.stdout).expect(&ran.stdout);
    assert_eq!(
        execution["result"],
        json!({"type": "number", "preview": "42", "json": 42})
    );
}

#[test]
fn a_file_that_is_not_there_can_not_be_run() {
    let directory = tempfile::tempdir().unwrap();
    let ran = output_of(&mut command_in(directory.path(), &["run", "missing.js"]));
    assert!(ran.error(1).contains("missing.js"), "{}", ran.stderr);
}

#[test]
fn a_run_without_a_daemon_opens_no_port() {
    let home = tempfile::tempdir().unwrap();
    let script = "await new Promise(done => setTimeout(done, 1e9))";
    fs::write(home.path().join("a.js"), script).unwrap();
    let mut run = command();
    run.args(["run", "a.js"]).current_dir(home.path());
    let mut run = run.spawn().unwrap();
    let pid = run.id().cast_signed();
    wait_for("its session", || {
        let all = Process::descendants(pid);
        all.iter()
            .any(|process| process.name.starts_with("vms-s-"))
            .then_some(())
    });
    let tcp = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let mut inodes = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[") {
            inodes.push(inode.trim_end_matches(']').to_owned());
        }
    }
    let listens = tcp
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| {
            fields.len() > 9 && fields[3] == "0A" && inodes.iter().any(|i| i == fields[9])
        });
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!listens, "{tcp}");
}
