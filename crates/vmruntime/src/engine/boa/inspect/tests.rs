//! Compares with what Node 20 printed (`fixtures/generate.js`), and faces scripts that fight back.

use boa_engine::{Context, JsValue, Source};
use serde_json::Value;

use super::{Inspector, Json};

/// A context and an inspector made before any script ran.
fn fresh() -> (Context, Inspector) {
    let mut context = Context::default();
    let inspector = Inspector::new(&mut context).expect("a fresh context has all built-ins");
    (context, inspector)
}

fn run(context: &mut Context, code: &str) -> JsValue {
    let source = Source::from_bytes(code);
    context.eval(source).unwrap_or_else(|error| panic!("{code}: {error}"))
}

/// The cases of a fixture: the code, and what Node made of it.
fn cases(fixture: &str, field: &str) -> Vec<(String, Option<String>)> {
    let list: Vec<Value> = serde_json::from_str(fixture).expect("the fixture is JSON");
    let text = |case: &Value, field: &str| case[field].as_str().map(str::to_owned);
    list.iter()
        .map(|case| (text(case, "code").expect("every case has code"), text(case, field)))
        .collect()
}

/// Puts one line in place of a stack's frames, which no two engines share.
fn frames_gone(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = String::new();
    for line in text.split('\n') {
        if line.trim_start().starts_with("at ") {
            let call_end = line.len() - line.trim_end_matches(['}', ']', ',', ' ', '{']).len();
            let _ = call_end;
            if lines.last() != Some(&"    at <frames>") {
                lines.push("    at <frames>");
            }
        } else {
            lines.push(line);
        }
    }
    rest.push_str(&lines.join("\n"));
    rest
}

fn check(fixture: &str, field: &str, show: impl Fn(&Inspector, JsValue, &mut Context) -> Option<String>) {
    let mut failures = Vec::new();
    let cases = cases(fixture, field);
    for (code, expected) in &cases {
        let (mut context, inspector) = fresh();
        let value = run(&mut context, &format!("({code}\n)"));
        let actual = show(&inspector, value, &mut context);
        if actual != *expected {
            let show = |text: &Option<String>| text.clone().unwrap_or_default();
            failures.push(format!("{code}\n--- node\n{}\n--- here\n{}\n", show(expected), show(&actual)));
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn inspect_matches_node() {
    check(include_str!("fixtures/node.json"), "inspect", |inspector, value, context| {
        Some(frames_gone(&inspector.inspect(&value, context)))
    });
}
#[test]
fn format_matches_node() {
    check(include_str!("fixtures/format.json"), "text", |inspector, value, context| {
        let array = boa_engine::object::builtins::JsArray::from_object(value.as_object()?).ok()?;
        let count = array.length(context).ok()?;
        let args: Vec<JsValue> = (0..count).map(|index| array.get(index, context).expect("an element")).collect();
        Some(inspector.format(&args, context).expect("no case throws"))
    });
}

#[test]
fn json_matches_node() {
    check(include_str!("fixtures/json.json"), "json", |inspector, value, context| {
        match inspector.json(&value, 1 << 20, context) {
            Json::Text(text) => Some(text),
            Json::Absent | Json::TooLarge => None,
        }
    });
}
