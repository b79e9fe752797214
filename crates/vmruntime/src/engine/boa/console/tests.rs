//! What the console prints, compared with what Node's printed.

use std::{cell::RefCell, path::Path, rc::Rc};

use boa_engine::{Context, JsNativeError, JsResult, Source};
use serde_json::Value;

use super::{super::inspect::Inspector, ConsoleLevel, ConsoleSink, install, timers};

/// Keeps what is printed; refuses a text that says so.
#[derive(Default)]
struct Lines(RefCell<Vec<(ConsoleLevel, String)>>);

impl ConsoleSink for Lines {
    fn console(&self, level: ConsoleLevel, text: String, _: &mut Context) -> JsResult<()> {
        if text == "refuse" {
            return Err(JsNativeError::error().with_message("full").into());
        }
        self.0.borrow_mut().push((level, text));
        Ok(())
    }
}

fn printed(code: &str) -> Vec<(ConsoleLevel, String)> {
    let mut context = Context::default();
    let inspector = Inspector::new(&mut context).expect("a fresh context has all built-ins");
    let lines = Rc::new(Lines::default());
    install(inspector, lines.clone(), &mut context).expect("the console can be defined");
    let source = Source::from_reader(code.as_bytes(), Some(Path::new("repl")));
    context
        .eval(source)
        .unwrap_or_else(|error| panic!("{code}: {error}"));
    lines.0.take()
}

fn frames_gone(text: &str) -> String {
    match text.find("\n    at ") {
        Some(frames) => format!("{}\n    at <frames>", &text[..frames]),
        None => text.to_owned(),
    }
}

#[test]
fn matches_node() {
    let fixture = include_str!("../inspect/fixtures/console.json");
    let cases: Vec<Value> = serde_json::from_str(fixture).expect("the fixture is JSON");
    let mut failures = Vec::new();
    for case in &cases {
        let code = case["code"].as_str().expect("every case has code");
        let expected: Vec<(bool, String)> = case["printed"]
            .as_array()
            .expect("every case has what was printed")
            .iter()
            .map(|line| {
                (
                    line["err"] == true,
                    line["text"].as_str().unwrap_or("").to_owned(),
                )
            })
            .collect();
        let actual: Vec<(bool, String)> = printed(code)
            .into_iter()
            .map(|(level, text)| {
                let err = matches!(level, ConsoleLevel::Warn | ConsoleLevel::Error);
                (err, frames_gone(&text))
            })
            .collect();
        if actual != expected {
            let show = |lines: &[(bool, String)]| {
                let texts: Vec<_> = lines
                    .iter()
                    .map(|(err, text)| format!("{err} {text}"))
                    .collect();
                texts.join("\n")
            };
            failures.push(format!(
                "{code}\n- node:\n{}\n- here:\n{}\n",
                show(&expected),
                show(&actual)
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
}

#[test]
fn methods_have_their_levels() {
    use ConsoleLevel::{Debug, Error, Info, Log, Warn};

    let code = "console.log(1); console.info(1); console.warn(1); console.error(1); console.debug(1); \
                console.dir(1); console.table(1); console.count(); console.assert(false); \
                console.trace(); console.group(1); console.countReset('none')";
    let levels: Vec<ConsoleLevel> = printed(code).into_iter().map(|(level, _)| level).collect();
    assert_eq!(
        levels,
        [
            Log, Info, Warn, Error, Debug, Log, Log, Log, Warn, Error, Log, Warn
        ]
    );
}

#[test]
fn trace_tells_where_it_was_called() {
    let lines = printed("function f() { console.trace('here') }\nf()");
    let expected = "Trace: here\n    at f (repl:1:29)\n    at repl:2:2";
    assert_eq!(lines, [(ConsoleLevel::Error, expected.to_owned())]);
}

#[test]
fn timers_are_reported() {
    let lines = printed(
        "console.time(); console.timeLog('default', 'x', { a: 1 }); console.timeEnd(); \
         console.timeEnd(); console.time('t'); console.time('t'); console.timeLog('none')",
    );
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        texts[0].starts_with("default: ") && texts[0].ends_with("ms x { a: 1 }"),
        "{}",
        texts[0]
    );
    assert!(
        texts[1].starts_with("default: ") && texts[1].ends_with("ms"),
        "{}",
        texts[1]
    );
    assert_eq!(
        texts[2..],
        [
            "Warning: No such label 'default' for console.timeEnd()",
            "Warning: Label 't' already exists for console.time()",
            "Warning: No such label 'none' for console.timeLog()",
        ]
    );
}

#[test]
fn durations_are_written_like_nodes() {
    use std::time::Duration;
    for (micros, text) in [
        (0, "0ms"),
        (1_234, "1.234ms"),
        (1_500, "1.5ms"),
        (999_000, "999ms"),
        (1_234_567, "1.235s"),
        (62_345_000, "1:02.345 (m:ss.mmm)"),
        (3_723_004_000, "1:02:03.004 (h:mm:ss.mmm)"),
    ] {
        assert_eq!(timers::duration_text(Duration::from_micros(micros)), text);
    }
}

#[test]
fn missing_counters_warn() {
    let lines = printed("console.countReset('x')");
    let text = "Warning: Count for 'x' does not exist".to_owned();
    assert_eq!(lines, [(ConsoleLevel::Warn, text)]);
}

#[test]
fn the_sinks_errors_are_thrown() {
    let lines = printed("try { console.log('refuse') } catch (e) { console.log(e.message) }");
    assert_eq!(lines, [(ConsoleLevel::Log, "full".to_owned())]);
}

#[test]
fn the_console_is_a_hidden_global() {
    let code = "const d = Object.getOwnPropertyDescriptor(globalThis, 'console'); \
                console.log(d.writable, d.configurable, d.enumerable, String(console)); \
                const { log } = console; log('detached')";
    let texts: Vec<String> = printed(code).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["true true false [object console]", "detached"]);
}

#[test]
fn labels_and_groups_are_limited() {
    let lines = printed(
        "for (let i = 0; i < 1000; i++) console.count(i); \
         try { console.count('more') } catch (e) { console.log(e.name) }",
    );
    assert_eq!(
        lines.last().map(|(_, text)| text.as_str()),
        Some("RangeError")
    );
    let lines = printed("for (let i = 0; i < 1e5; i++) console.group(); console.log('x')");
    assert_eq!(lines[0].1.len(), 201);
}

#[test]
fn tables_run_no_code_of_rows() {
    let lines = printed(
        "const trap = () => { for (;;) {} }; \
         console.table([{ get a() { trap() } }, new Proxy({}, { get: trap, ownKeys: trap })])",
    );
    assert!(lines[0].1.contains("[Getter]"));
}

#[test]
fn long_tables_are_cut() {
    let lines = printed("console.table(Array.from({ length: 1e5 }, (_, i) => ({ i })))");
    assert!(lines[0].1.ends_with("... 99000 more rows"));
}

#[test]
fn large_cells_do_not_fill_the_memory() {
    let wide = "const row = {}; for (let i = 0; i < 100; i++) row['k' + i] = ['x'.repeat(9000)]; \
                console.table(Array(1000).fill(row))";
    let keys = "const row = {}; for (let i = 0; i < 1e5; i++) row['k' + i] = i; \
                console.table(Array(1000).fill([row, row, row]))";
    for code in [wide, keys] {
        let lines = printed(code);
        assert!(lines[0].1.len() < 8 << 20, "{} bytes", lines[0].1.len());
    }
}
