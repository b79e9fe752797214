//! Tests of the module `exec`: it is called as a session calls it, with commands of the system.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use serde_json::{Value, json};

use super::command::Exec;
use crate::host_modules::broker::session_context::SessionContext;
use crate::host_modules::fixtures::{answer_of, host_call, session};
use crate::ipc::HostError;

struct Fixture {
    home: tempfile::TempDir,
    context: Arc<SessionContext>,
}

impl Fixture {
    fn with(capabilities: &[(&str, &str, bool, Value)]) -> Self {
        let (home, context) = session(capabilities);
        Self { home, context }
    }

    async fn run(&self, args: Value) -> Result<Value, HostError> {
        let call = host_call("exec", "run", &args);
        answer_of(&Exec::new(&self.context), call).await
    }

    async fn sh(&self, script: &str, options: Value) -> Value {
        self.run(json!(["sh", ["-c", script], options]))
            .await
            .unwrap()
    }

    async fn error(&self, args: Value) -> HostError {
        self.run(args).await.unwrap_err()
    }
}

#[tokio::test]
async fn a_command_answers_with_its_status_and_its_streams() {
    let fixture = Fixture::with(&[]);
    let ran = fixture
        .sh("echo out; echo err >&2; exit 3", json!(null))
        .await;
    assert_eq!(
        (&ran["stdout"], &ran["stderr"]),
        (&json!("out\n"), &json!("err\n"))
    );
    assert_eq!((&ran["status"], &ran["signal"]), (&json!(3), &json!(null)));
    assert_eq!(ran["timed_out"], false);
    let output = ran["output"].as_str().unwrap();
    assert!(
        output.contains("out\n") && output.contains("err\n"),
        "{output}"
    );
    let ran = fixture.sh("kill -TERM $$", json!({})).await;
    assert_eq!(
        (&ran["status"], &ran["signal"]),
        (&json!(null), &json!("SIGTERM"))
    );
}

#[tokio::test]
async fn a_command_can_read_its_input_and_need_not() {
    let fixture = Fixture::with(&[]);
    let ran = fixture
        .run(json!(["cat", [], {"input": "text \u{e4}"}]))
        .await
        .unwrap();
    assert_eq!(ran["stdout"], "text \u{e4}");
    let ran = fixture
        .run(json!(["cat", null, {"input": {"$bytes": "abc"}}]))
        .await
        .unwrap();
    assert_eq!(ran["stdout"], "abc");
    // More than a pipe holds, to a command that reads nothing and to one that writes all of it
    // back.
    let long = "x".repeat(1 << 20);
    let ran = fixture
        .run(json!(["true", [], {"input": long}]))
        .await
        .unwrap();
    assert_eq!(ran["status"], 0);
    let ran = fixture
        .run(json!(["cat", [], {"input": long}]))
        .await
        .unwrap();
    assert_eq!(ran["stdout"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(fixture.sh("cat", json!(null)).await["stdout"], "");
}

#[tokio::test]
async fn a_command_runs_below_the_worktree_with_a_clean_environment() {
    let fixture = Fixture::with(&[]);
    fs::create_dir_all(fixture.home.path().join("a/b")).unwrap();
    symlink("a/b", fixture.home.path().join("link")).unwrap();
    symlink("/", fixture.home.path().join("out")).unwrap();
    let root = fixture.context.worktree.path().display().to_string();
    for (cwd, expected) in [
        (json!(null), ""),
        (json!("a/b"), "/a/b"),
        (json!("link"), "/a/b"),
    ] {
        let ran = fixture
            .run(json!(["pwd", ["-P"], {"cwd": cwd}]))
            .await
            .unwrap();
        assert_eq!(ran["stdout"], format!("{root}{expected}\n"));
    }
    for (cwd, code) in [
        ("out", "EACCES"),
        ("..", "EACCES"),
        ("/", "EACCES"),
        ("none", "ENOENT"),
    ] {
        let error = fixture.error(json!(["pwd", [], {"cwd": cwd}])).await;
        assert_eq!(
            error.code.as_deref(),
            Some(code),
            "{cwd}: {}",
            error.message
        );
    }
    let ran = fixture
        .sh("echo $ONE; env | wc -l", json!({"env": {"ONE": "1 2"}}))
        .await;
    let output = ran["stdout"].as_str().unwrap();
    let (one, count) = output.split_once('\n').unwrap();
    assert_eq!(one, "1 2");
    // The variables that are passed on, the one that was given, and those that the shell adds.
    assert!(
        count.trim().parse::<u32>().unwrap() <= 4 + 1 + 4,
        "{output}"
    );
    for env in [
        json!({"A=B": "1"}),
        json!({"": "1"}),
        json!({"A": "\0"}),
        json!({"A": 1}),
    ] {
        fixture.error(json!(["true", [], {"env": env}])).await;
    }
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let fixture = Fixture::with(&[]);
    let ran = fixture
        .sh(
            "echo begun; sleep 600 & sleep 600",
            json!({"timeout_ms": 3000}),
        )
        .await;
    assert_eq!(
        (&ran["timed_out"], &ran["signal"]),
        (&json!(true), &json!("SIGKILL"))
    );
    assert_eq!(
        (&ran["stdout"], &ran["status"]),
        (&json!("begun\n"), &json!(null))
    );
}

#[tokio::test]
async fn too_much_output_is_an_error() {
    let fixture = Fixture::with(&[]);
    let error = fixture.error(json!(["yes", [], {}])).await;
    assert_eq!(
        error.code.as_deref(),
        Some("ERR_CHILD_PROCESS_STDIO_MAXBUFFER")
    );
}

#[tokio::test]
async fn a_missing_program_has_the_error_of_node() {
    let fixture = Fixture::with(&[]);
    let error = fixture.error(json!(["no-such-program", [], {}])).await;
    assert_eq!(error.message, "spawn no-such-program ENOENT");
    assert_eq!(error.code.as_deref(), Some("ENOENT"));
    assert_eq!(error.properties["syscall"], "spawn no-such-program");
    assert_eq!(error.properties["path"], "no-such-program");
    fs::write(fixture.home.path().join("plain"), "").unwrap();
    let error = fixture.error(json!(["./plain", [], {}])).await;
    assert_eq!(error.message, "spawn ./plain EACCES");
    for args in [
        json!([]),
        json!([1]),
        json!(["sh", [1]]),
        json!(["sh", [], {"x": 1}]),
    ] {
        let error = fixture.error(args).await;
        assert_eq!(error.code.as_deref(), Some("ERR_INVALID_ARG_TYPE"));
    }
}

#[tokio::test]
async fn only_listed_programs_are_run_when_some_are_listed() {
    let tools = tempfile::tempdir().unwrap();
    for name in ["good", "bad"] {
        let tool = tools.path().join(name);
        fs::write(&tool, format!("#!/bin/sh\necho {name}\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let good = tools.path().join("good");
    let config = json!({"commands": [good]});
    let fixture = Fixture::with(&[("module", "exec", true, config)]);
    let ran = fixture.run(json!([good, [], {}])).await.unwrap();
    assert_eq!(ran["stdout"], "good\n");
    let bad = tools.path().join("bad");
    symlink(&bad, fixture.home.path().join("good")).unwrap();
    for program in [json!(bad), json!("./good"), json!("sh")] {
        let error = fixture.error(json!([program, [], {}])).await;
        assert_eq!(error.code.as_deref(), Some("EACCES"), "{program}");
        let message = error.message;
        assert!(
            message.contains("module:exec") && message.contains("--kind module --name exec"),
            "{message}"
        );
    }
    for name in ["PATH", "LD_PRELOAD"] {
        let error = fixture.error(json!([good, [], {"env": {name: "."}}])).await;
        assert!(error.message.contains(name), "{}", error.message);
    }
}
