//! Templates with capabilities, and expressions whose outcome depends on them.

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::support::assertions::text;

/// Makes a template with native modules and enabled or disabled capabilities; returns its id.
#[track_caller]
pub(crate) fn template_with_capabilities(
    daemon: &Daemon,
    modules: &[&str],
    capabilities: &[(&str, &str, bool, Value)],
) -> String {
    let template = daemon.template_with_modules(modules);
    for (kind, name, enabled, config) in capabilities {
        let body = json!({"kind": kind, "name": name, "enabled": enabled, "config": config});
        let path = format!("/templates/{template}/capabilities");
        daemon.api.post(&path, &body).expect_status(201);
    }
    template
}

/// The outcome of a script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The value of the expression as JSON; null if it has none.
    Value(Value),
    /// The code and the message of the error that was thrown.
    Thrown { code: String, message: String },
}

/// Runs an expression that may be a promise.
#[track_caller]
pub(crate) fn attempt(session: &Session, expression: &str) -> Outcome {
    attempt_all(session, &[expression]).remove(0)
}

/// Runs expressions that may be promises, one after the other, in one execution.
#[track_caller]
pub(crate) fn attempt_all<T: AsRef<str>>(session: &Session, expressions: &[T]) -> Vec<Outcome> {
    let tries: Vec<_> = expressions
        .iter()
        .map(|expression| format!("async () => ({})", expression.as_ref()))
        .collect();
    let tries = tries.join(",\n");
    let code = format!(
        "await (async () => {{
            const outcomes = [];
            for (const attempt of [{tries}]) {{
                try {{ outcomes.push({{value: await attempt()}}) }}
                catch (error) {{ outcomes.push({{code: String(error.code), message: String(error.message)}}) }}
            }}
            return outcomes;
        }})()"
    );
    let execution = session.run(&code);
    assert_eq!(execution["status"], "ok", "{execution}");
    let outcomes = execution["result"]["json"].as_array();
    let outcomes = outcomes.unwrap_or_else(|| panic!("no outcomes: {execution}"));
    assert_eq!(outcomes.len(), expressions.len(), "{execution}");
    outcomes.iter().map(Outcome::of).collect()
}

impl Outcome {
    fn of(result: &Value) -> Self {
        if result.get("message").is_none() {
            return Self::Value(result["value"].clone());
        }
        Self::Thrown {
            code: text(result, "code").to_owned(),
            message: text(result, "message").to_owned(),
        }
    }
}

/// Checks that each expression throws an error, with this code if one is expected; returns the
/// messages.
#[track_caller]
pub(crate) fn assert_all_throw<T: AsRef<str>>(
    session: &Session,
    expressions: &[T],
    expected: Option<&str>,
) -> Vec<String> {
    let outcomes = attempt_all(session, expressions);
    let pairs = outcomes.into_iter().zip(expressions);
    pairs
        .map(|(outcome, expression)| match outcome {
            Outcome::Value(value) => panic!("{} gave {value}", expression.as_ref()),
            Outcome::Thrown { code, message } => {
                let is_expected = expected.is_none_or(|expected| expected == code);
                assert!(is_expected, "{}: {code}: {message}", expression.as_ref());
                message
            }
        })
        .collect()
}

/// Checks that an expression has a value.
#[track_caller]
pub(crate) fn assert_value(session: &Session, expression: &str, expected: &Value) {
    let outcome = attempt(session, expression);
    assert_eq!(outcome, Outcome::Value(expected.clone()), "{expression}");
}

/// Checks that an expression throws; returns the message.
#[track_caller]
pub(crate) fn assert_throws(session: &Session, expression: &str) -> String {
    assert_all_throw(session, &[expression], None).remove(0)
}

/// Checks that an expression throws an error with a code; returns the message.
#[track_caller]
pub(crate) fn assert_throws_code(session: &Session, expression: &str, expected: &str) -> String {
    assert_all_throw(session, &[expression], Some(expected)).remove(0)
}

/// A text as a string literal of JavaScript.
pub(crate) fn js_literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// Runs the command that a message shows in backticks.
#[track_caller]
pub(crate) fn run_suggested_command(daemon: &Daemon, message: &str) {
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
