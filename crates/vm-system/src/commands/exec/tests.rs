//! Tests of the printed executions and events.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::output::testing::printed;

fn execution(status: &str, end: &str) -> Execution {
    let text = format!(
        r#"{{"id":"51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21","session_id":"0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10",
        "kind":"repl","input":"6 *\n7","args":[],"env":{{}},"status":"{status}",
        "started_at":"2026-01-02T03:04:05.678900Z","metrics":{{}}{end}}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn events() -> Vec<Event> {
    let event = |seq: u64, kind: &str, payload: &str| {
        let text = format!(
            r#"{{"execution_id":"51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21","seq":{seq},
            "ts":"2026-01-02T03:04:05.678900Z","type":"{kind}","payload":{payload}}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    vec![
        event(1, "input_echo", r#"{"text":"6 *\n7"}"#),
        event(2, "value", r#"{"type":"number","preview":"42","json":42}"#),
    ]
}

#[test]
fn an_execution_is_lines_that_scripts_read() {
    let plain = Paint::new(false);
    let ended = execution(
        "ok",
        r#","result":{"type":"number","preview":"42","json":42}"#,
    );
    assert_snapshot!(printed(|out| summary(out, plain, &ended)), @r#"
    Execution ID: 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21
    Status: ok
    Result: {"type":"number","preview":"42","json":42}
    "#);
    let failed = execution("error", r#","error":{"message":"Error: no at repl:1:1"}"#);
    assert_snapshot!(printed(|out| summary(out, plain, &failed)), @r#"
    Execution ID: 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21
    Status: error
    Error: {"message":"Error: no at repl:1:1"}
    "#);
}

#[test]
fn the_full_record_follows_the_summary() {
    let plain = Paint::new(false);
    let ended = execution(
        "ok",
        r#","ended_at":"2026-01-02T03:04:06.123456Z","result":{"type":"number","preview":"42","json":42}"#,
    );
    assert_snapshot!(printed(|out| full_record(out, plain, &ended)), @r#"
    Execution ID: 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21
    Status: ok
    Result: {"type":"number","preview":"42","json":42}
    Session ID: 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10
    Kind: repl
    Started: 2026-01-02T03:04:05Z
    Ended: 2026-01-02T03:04:06Z
    Input: "6 *\n7"
    "#);
    let mut file = execution("running", "");
    file.kind = vmapi_types::ExecutionKind::RunFile;
    file.input = None;
    file.path = Some("a b.js".into());
    assert_snapshot!(printed(|out| full_record(out, plain, &file)), @r"
    Execution ID: 51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21
    Status: running
    Session ID: 0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10
    Kind: run_file
    Started: 2026-01-02T03:04:05Z
    Path: a b.js
    ");
}

#[test]
fn a_text_of_several_lines_is_one_string_of_json() {
    assert_eq!(on_one_line("6 * 7"), "6 * 7");
    assert_eq!(on_one_line("'\"\\'"), "'\"\\'");
    assert_eq!(on_one_line("a\n\"b\""), r#""a\n\"b\"""#);
    assert_eq!(on_one_line("a\rb"), r#""a\rb""#);
}

#[test]
fn an_event_is_a_line_with_its_unchanged_payload() {
    assert_snapshot!(printed(|out| event_lines(out, &events())), @r#"
    [1] input_echo: {"text":"6 *\n7"}
    [2] value: {"type":"number","preview":"42","json":42}
    "#);
}

#[test]
fn executions_are_a_table() {
    let plain = Paint::new(false);
    let mut file = execution("timeout", "");
    file.kind = vmapi_types::ExecutionKind::RunFile;
    file.path = Some("a/quite/long/path/that/is/cut/because/column/ends.js".into());
    assert_snapshot!(printed(|out| list(out, plain, &[execution("ok", ""), file])), @r"
    ID                                    KIND      STATUS   STARTED (UTC)        CODE OR FILE
    51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21  repl      ok       2026-01-02 03:04:05  6 *\n7
    51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21  run_file  timeout  2026-01-02 03:04:05  a/quite/long/path/that/is/cut/because/column/en…
    ");
    assert_snapshot!(printed(|out| list(out, plain, &[])), @"No executions.");
}

#[test]
fn an_execution_without_a_value_has_failed() {
    let failed = |status| has_failed(serde_json::from_value(json!(status)).unwrap());
    assert!(failed("error") && failed("timeout") && failed("cancelled"));
    assert!(!failed("ok") && !failed("running"));
}
