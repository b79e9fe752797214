//! The command line without a daemon, or with one that is not there: usage, flags, `run`, `libs`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use vm_system_tests::{Daemon, command, wait_for};

use crate::support::cli::{CliOutput, output_of};

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory can be made")
}

fn in_directory(directory: &Path, args: &[&str]) -> Command {
    let mut cli = command();
    cli.args(args).current_dir(directory);
    cli
}

/// Writes a script and runs it with `vm-system run`.
fn run(script: &str, args: &[&str]) -> CliOutput {
    let directory = directory();
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    let mut all = vec!["run", "script.js"];
    all.extend(args);
    let ran = output_of(&mut in_directory(directory.path(), &all));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left beside the script: {left:?}");
    ran
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let directory = directory();
    for args in [
        &[] as &[&str],
        &["nonsense"],
        &["template"],
        &["template", "create"],
        &["template", "get"],
        &["session", "create", "--template-id", UNKNOWN_ID],
        &["session", "list", "--status", "open"],
        &["exec", "repl", UNKNOWN_ID],
        &["exec", "list", UNKNOWN_ID, "--limit", "0"],
        &["exec", "run-file", UNKNOWN_ID, "a.js", "--args", "[]"],
        &["exec", "run-file", UNKNOWN_ID, "a.js", "--args", "{"],
        &["ops", "health", "--output", "yaml"],
        &["ops", "health", "--server-url", "no url"],
        &["--colour", "ops", "health"],
        &["run"],
    ] {
        let ran = output_of(&mut in_directory(directory.path(), args));
        assert_eq!(ran.status, 2, "{args:?}: {ran:?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn a_usage_error_is_named_on_standard_error() {
    let ran = output_of(&mut in_directory(
        directory().path(),
        &["ops", "health", "--outputt", "json"],
    ));
    assert!(ran.error(2).contains("--outputt"), "{}", ran.stderr);
}

#[test]
fn help_and_version_are_no_errors() {
    let directory = directory();
    for (args, part) in [
        (&["--help"] as &[&str], "serve"),
        (&["--version"], "vm-system "),
        (&["template", "--help"], "add-startup"),
        (&["template", "create", "--help"], "Example"),
        (&["session", "create", "--help"], "Example"),
        (&["exec", "repl", "--help"], "Example"),
        (&["serve", "--help"], "127.0.0.1:3210"),
        (&["run", "--help"], "Example"),
    ] {
        let help = output_of(&mut in_directory(directory.path(), args)).ok();
        assert!(help.contains(part), "{args:?}: {help}");
    }
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    let daemon = Daemon::start();
    let url = daemon.server();
    for args in [
        &[
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
            "ops",
            "health",
        ],
        &[
            "ops",
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
            "health",
        ],
        &[
            "ops",
            "health",
            "--server-url",
            url,
            "--db",
            "x.db",
            "--log-level",
            "error",
        ],
    ] {
        let health = output_of(&mut in_directory(daemon.home(), args)).line();
        assert_eq!(health, r#"{"status":"ok"}"#, "{args:?}");
    }
    assert!(!daemon.home().join("x.db").exists());
}

#[test]
fn an_unreachable_daemon_is_reported_as_such() {
    let url = "http://127.0.0.1:1";
    let expected =
        format!("Error: cannot reach the daemon at {url}: is \"vm-system serve\" running?\n");
    for command in [
        &["ops", "health"] as &[&str],
        &["template", "list"],
        &["exec", "repl", UNKNOWN_ID, "1"],
    ] {
        let mut args = vec!["--server-url", &url];
        args.extend(command);
        let ran = output_of(&mut in_directory(directory().path(), &args));
        assert_eq!(ran.error(1), expected);
    }
}

#[test]
fn a_refusal_of_the_daemon_is_printed_with_its_code() {
    let daemon = Daemon::start();
    for (args, code) in [
        (
            &["template", "get", UNKNOWN_ID] as &[&str],
            "TEMPLATE_NOT_FOUND",
        ),
        (&["template", "get", "x"], "VALIDATION_ERROR"),
        (&["session", "get", UNKNOWN_ID], "SESSION_NOT_FOUND"),
        (&["exec", "get", UNKNOWN_ID], "EXECUTION_NOT_FOUND"),
        (
            &["template", "create", "--name", "a", "--engine", "v8"],
            "ENGINE_UNSUPPORTED",
        ),
    ] {
        for format in ["text", "json"] {
            let ran = output_of(daemon.cli(args).args(["--output", format]));
            assert!(ran.error(1).contains(code), "{args:?}: {}", ran.stderr);
        }
    }
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
    let directory = directory();
    let script = "console.log('before'); throw new Error('no')";
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    let (_, closed_pipe) = std::io::pipe().unwrap();
    let mut run = in_directory(directory.path(), &["run", "script.js", "--output", "json"]);
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
    let directory = directory();
    let script = "console.log('begun'); await new Promise(done => setTimeout(done, 4900))";
    std::fs::write(directory.path().join("script.js"), script).unwrap();
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut run = in_directory(directory.path(), &["run", "script.js"])
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
    let directory = directory();
    let ran = output_of(&mut in_directory(directory.path(), &["run", "missing.js"]));
    assert!(ran.error(1).contains("missing.js"), "{}", ran.stderr);
}

#[test]
fn the_library_cache_is_listed_and_measured() {
    let directory = directory();
    let cache = directory.path().join(".vm-cache/libraries");
    let list = output_of(&mut in_directory(directory.path(), &["libs", "list"])).ok();
    assert!(list.contains("lodash-4.17.21"), "{list}");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("own.js"), "1234").unwrap();
    let list = output_of(&mut in_directory(directory.path(), &["libs", "list"])).ok();
    assert!(list.contains("own"), "{list}");
    let info = output_of(&mut in_directory(
        directory.path(),
        &["libs", "cache-info", "--output", "json"],
    ))
    .json();
    assert_eq!(
        (&info["files"], &info["size_bytes"]),
        (&json!(1), &json!(4))
    );
}

#[test]
fn serve_prints_where_it_listens() {
    let home = directory();
    let log = home.path().join("out");
    let mut child = in_directory(
        home.path(),
        &["--db", "own.db", "serve", "--listen", "127.0.0.1:0"],
    )
    .stdout(std::fs::File::create(&log).unwrap())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let line = wait_for("the line of the daemon", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains('\n').then_some(text)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.contains("listening on http://127.0.0.1:") && line.contains("own.db"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(home.path().join("own.db").exists());
}
