//! What tests of capabilities share: templates that have some, and scripts that try something.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::checks::text;

/// Makes a template with native modules and enabled or disabled capabilities; returns its id.
#[track_caller]
pub fn template(
    daemon: &Daemon,
    modules: &[&str],
    capabilities: &[(&str, &str, bool, Value)],
) -> String {
    let template = daemon.template_with(modules);
    for (kind, name, enabled, config) in capabilities {
        let body = json!({"kind": kind, "name": name, "enabled": enabled, "config": config});
        let path = format!("/templates/{template}/capabilities");
        daemon.api.post(&path, &body).expect(201);
    }
    template
}

/// What came of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It had a value, which is JSON or nothing.
    Value(Value),
    /// It threw an error with this code, if it had one, and this message.
    Thrown { code: String, message: String },
}

/// Runs an expression that may be a promise.
#[track_caller]
pub fn attempt(session: &Session, expression: &str) -> Outcome {
    let code = format!(
        "await (async () => {{
            try {{ return {{value: await ({expression})}} }}
            catch (error) {{ return {{code: String(error.code), message: String(error.message)}} }}
        }})()"
    );
    let execution = session.run(&code);
    assert_eq!(execution["status"], "ok", "{expression}: {execution}");
    let result = &execution["result"]["json"];
    if result.get("message").is_none() {
        return Outcome::Value(result["value"].clone());
    }
    Outcome::Thrown {
        code: text(result, "code").to_owned(),
        message: text(result, "message").to_owned(),
    }
}

/// Checks that an expression has a value.
#[track_caller]
pub fn gives(session: &Session, expression: &str, expected: &Value) {
    let outcome = attempt(session, expression);
    assert_eq!(outcome, Outcome::Value(expected.clone()), "{expression}");
}

/// Checks that an expression throws; gives the message.
#[track_caller]
pub fn throws(session: &Session, expression: &str) -> String {
    match attempt(session, expression) {
        Outcome::Value(value) => panic!("{expression} gave {value}"),
        Outcome::Thrown { message, .. } => message,
    }
}

/// Checks that an expression throws an error with a code; gives the message.
#[track_caller]
pub fn throws_coded(session: &Session, expression: &str, expected: &str) -> String {
    match attempt(session, expression) {
        Outcome::Value(value) => panic!("{expression} gave {value}"),
        Outcome::Thrown { code, message } => {
            assert_eq!(code, expected, "{expression}: {message}");
            message
        }
    }
}

/// A text as a literal of JavaScript.
pub fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// Runs the command that a message shows in backticks.
#[track_caller]
pub fn follow_advice(daemon: &Daemon, message: &str) {
    let command = message
        .split('`')
        .find_map(|part| part.strip_prefix("vm-system "))
        .unwrap_or_else(|| panic!("no command in {message}"));
    let whole = format!("exec \"$@\" {command}");
    let cli = daemon.cli(&[]);
    let ran = std::process::Command::new("sh")
        .args(["-c", &whole, "sh"])
        .arg(cli.get_program())
        .args(cli.get_args())
        .output()
        .expect("a shell can be run");
    assert!(ran.status.success(), "{command}: {ran:?}");
}
