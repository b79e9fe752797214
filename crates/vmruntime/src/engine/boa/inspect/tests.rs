//! Compares with what Node 20 gave (`fixtures/generate.js` wrote it down), and faces scripts that
//! fight back.

mod attackers;
mod reports;

use boa_engine::{Context, JsValue, Source, object::builtins::JsArray};
use serde_json::Value;

use super::{Inspector, Json};

/// Parsing nested brackets takes the engine more stack than a test's thread has.
const STACK: usize = 64 << 20;

/// A context and an inspector made before any script ran.
fn fresh() -> (Context, Inspector) {
    let mut context = Context::default();
    let inspector = Inspector::new(&mut context).expect("a fresh context has all built-ins");
    (context, inspector)
}

fn run(context: &mut Context, code: &str) -> JsValue {
    let source = Source::from_reader(code.as_bytes(), Some(std::path::Path::new("repl")));
    context
        .eval(source)
        .unwrap_or_else(|error| panic!("{code}: {error}"))
}

/// What an expression's value is inspected as.
fn inspected(code: &str) -> String {
    let (mut context, inspector) = fresh();
    let value = run(&mut context, code);
    inspector.inspect(&value, &mut context)
}

/// Puts one line in place of a stack's frames, which no two engines share.
fn frames_gone(text: &str) -> String {
    const FRAMES: &str = "    at <frames>";
    let lines = text.split('\n').map(|line| {
        let is_frame = line.trim_start().starts_with("at ");
        if is_frame { FRAMES } else { line }
    });
    let mut lines: Vec<&str> = lines.collect();
    lines.dedup_by(|line, last| *line == FRAMES && line == last);
    lines.join("\n")
}

/// Compares a text made of each case's value with what the fixture has for it.
fn check(
    fixture: &'static str,
    field: &'static str,
    show: fn(&Inspector, &JsValue, &mut Context) -> Option<String>,
) {
    let check = move || {
        let cases: Vec<Value> = serde_json::from_str(fixture).expect("the fixture is JSON");
        let mut failures = Vec::new();
        for case in &cases {
            let code = case["code"].as_str().expect("every case has code");
            let expected = case[field].as_str();
            let (mut context, inspector) = fresh();
            let value = run(&mut context, &format!("({code}\n)"));
            let actual = show(&inspector, &value, &mut context);
            if actual.as_deref() != expected {
                failures.push(format!(
                    "{code}\n- node: {expected:?}\n- here: {actual:?}\n"
                ));
            }
        }
        let count = failures.len();
        assert!(
            failures.is_empty(),
            "{count} of {} differ:\n{}",
            cases.len(),
            failures.join("\n")
        );
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(check);
    if let Err(panic) = thread.expect("a thread can be started").join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn inspect_matches_node() {
    check(
        include_str!("fixtures/node.json"),
        "inspect",
        |inspector, value, context| Some(frames_gone(&inspector.inspect(value, context))),
    );
}

#[test]
fn format_matches_node() {
    check(
        include_str!("fixtures/format.json"),
        "text",
        |inspector, value, context| {
            let array = JsArray::from_object(value.as_object()?).ok()?;
            let count = array.length(context).ok()?;
            let args: Vec<JsValue> = (0..count)
                .map(|index| array.get(index, context).expect("an element"))
                .collect();
            Some(inspector.format(&args, context).expect("no case throws"))
        },
    );
}

#[test]
fn json_matches_node() {
    check(
        include_str!("fixtures/json.json"),
        "json",
        |inspector, value, context| match inspector.json(value, 1 << 20, context) {
            // Node escapes half a character; here it is replaced.
            Json::Text(text) => Some(text.replace('\u{fffd}', "\\ud83d")),
            Json::Absent | Json::TooLarge => None,
        },
    );
}
