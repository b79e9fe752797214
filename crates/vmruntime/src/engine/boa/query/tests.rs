//! Completion and inspection in an engine with a link that answers nothing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vmapi_types::{CandidateKind, EventType, Limits, RawJson};
use vmcontrol::runtime::{Query, QueryResult, RunMode, RunRequest};

use crate::engine::boa::Boa;
use crate::engine::{Engine, HostLink};
use crate::ipc::{Answered, HostError, SessionSetup};

/// A link that answers nothing, and collects garbage whenever it is asked.
struct Unlinked;

impl HostLink for Unlinked {
    fn event(&self, _: EventType, _: RawJson) {}

    fn call(&self, _: &str, _: &str, _: RawJson, _: Vec<u8>) -> Result<Answered, HostError> {
        Err(HostError::new("there is no host"))
    }

    fn record_input(&self, ask: &dyn Fn() -> u64) -> u64 {
        ask()
    }

    fn mark_nondeterministic(&self) {}

    fn collect_if_due(&self, collect: fn()) {
        collect();
    }
}

/// An engine in which these snippets were run one after the other.
fn engine(snippets: &[&str]) -> Boa {
    let mut engine = Boa::new(Rc::new(Unlinked), crate::host_modules::scripts()).unwrap();
    let setup = SessionSetup {
        tag: String::new(),
        limits: Limits::default(),
        runtime: vmapi_types::RuntimeSettings::default(),
        modules: vec!["fs".into(), "exec".into()],
        template_id: String::new(),
        worktree: String::new(),
        started: Duration::ZERO,
        started_at: Duration::ZERO,
        env: serde_json::Map::new(),
        globals: Vec::new(),
        removed_globals: Vec::new(),
    };
    engine.configure(&setup).unwrap();
    for source in snippets {
        let request = RunRequest {
            source: (*source).into(),
            name: "repl".into(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        };
        let evaluation = engine.evaluate(&request).unwrap();
        assert!(!evaluation.threw, "{}", evaluation.payload);
    }
    engine
}

fn completed(engine: &mut Boa, text: &str) -> Vec<(String, CandidateKind)> {
    let QueryResult::Completions { candidates, .. } = engine.query(&Query::Complete(text.into()))
    else {
        panic!("it is no completion");
    };
    let pair = |candidate: vmapi_types::Candidate| (candidate.text, candidate.kind);
    candidates.into_iter().map(pair).collect()
}

fn inspected(engine: &mut Boa, expression: &str) -> Value {
    let QueryResult::Inspection(inspection) = engine.query(&Query::Inspect(expression.into()))
    else {
        panic!("it is no inspection");
    };
    serde_json::to_value(&*inspection).unwrap()
}

#[test]
fn properties_are_completed_own_ones_first() {
    let engine = &mut engine(&[
        "class A { get got() { throw 1 } met() {} }; const it = new A(); it.mine = 1; it.$ = 2; it['a b'] = 3",
        "let text = 'abc'",
    ]);
    let found = completed(engine, "it.");
    let kinds = |names: &[(&str, CandidateKind)]| {
        let owned = |(name, kind): &(&str, CandidateKind)| ((*name).to_owned(), *kind);
        names.iter().map(owned).collect::<Vec<_>>()
    };
    assert_eq!(
        found[..5],
        kinds(&[
            ("$", CandidateKind::Property),
            ("mine", CandidateKind::Property),
            ("constructor", CandidateKind::Function),
            ("got", CandidateKind::Accessor),
            ("met", CandidateKind::Function),
        ])
    );
    assert!(found.iter().any(|(name, _)| name == "hasOwnProperty"));
    let found = completed(engine, "x = text.trimS");
    assert!(found.contains(&("trimStart".into(), CandidateKind::Function)));
    assert!(found.iter().all(|(name, _)| name.starts_with("trimS")));
    let found = completed(engine, "[1].map(x => x).fil");
    assert!(found.contains(&("filter".into(), CandidateKind::Function)));
    for text in [
        "nothing.",
        "null.",
        "it.mine.none.",
        "(() => { throw 1 })().",
    ] {
        assert_eq!(completed(engine, text), [], "{text}");
    }
}

#[test]
fn names_are_completed_and_then_words() {
    let engine =
        &mut engine(&["let counter = 1; const constant = 2; function cook() {}; class Cat {}"]);
    let found = completed(engine, "1 + co");
    for expected in [
        ("counter", CandidateKind::Variable),
        ("constant", CandidateKind::Variable),
        ("cook", CandidateKind::Function),
        ("console", CandidateKind::Variable),
    ] {
        let expected = (expected.0.to_owned(), expected.1);
        assert!(found.contains(&expected), "{expected:?} of {found:?}");
    }
    let words: Vec<_> = found
        .iter()
        .map(|(_, kind)| *kind == CandidateKind::Keyword)
        .collect();
    assert!(words.is_sorted(), "words come last");
    assert_eq!(
        completed(engine, "Ca"),
        [("Cat".into(), CandidateKind::Class)]
    );
    assert!(completed(engine, "__vm").is_empty());
    assert!(completed(engine, "").iter().any(|(name, _)| name == "JSON"));
}

#[test]
fn modules_are_completed_in_strings() {
    let engine = &mut engine(&[]);
    assert_eq!(
        completed(engine, "const f = require('"),
        [
            ("exec".into(), CandidateKind::Module),
            ("fs".into(), CandidateKind::Module)
        ]
    );
}

#[test]
fn an_expression_is_shown_as_text_and_as_a_tree() {
    let engine = &mut engine(&[
        "const it = {a: [1, {b: 'c'}], get d() { throw 1 }, [Symbol('s')]: null}; it.self = it",
    ]);
    let seen = inspected(engine, "it");
    assert!(
        seen["text"].as_str().unwrap().contains("[Getter]"),
        "{seen}"
    );
    let value = &seen["value"];
    assert_eq!(value["type"], "object");
    let names: Vec<_> = value["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|property| property["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "d", "self", "Symbol(s)"]);
    let property = |path: &str| value.pointer(path).cloned().unwrap_or_default();
    assert_eq!(
        property("/properties/0/value/properties/1/value/properties/0/value/preview"),
        "c"
    );
    assert_eq!(
        property("/properties/1"),
        json!({"name": "d", "enumerable": true, "accessor": "get"})
    );
    assert_eq!(property("/properties/2/value/properties"), Value::Null);
    assert_eq!(
        inspected(engine, "await Promise.resolve(1n)")["value"]["type"],
        "bigint"
    );
}

#[test]
fn an_expression_without_a_value_says_why() {
    let engine = &mut engine(&[]);
    for (expression, message) in [
        ("nothing", "nothing is not defined"),
        ("throw new TypeError('no')", "no"),
        ("a b", "SyntaxError"),
        ("await new Promise(() => {})", "can't happen"),
    ] {
        let seen = inspected(engine, expression);
        let said = seen["error"]["message"].as_str().unwrap();
        assert!(said.contains(message), "{expression}: {seen}");
        assert!(seen.get("value").is_none());
    }
}

#[test]
fn large_values_are_shown_in_part() {
    let engine = &mut engine(&["const it = Array.from({length: 5000}, (_, i) => ({i}))"]);
    let value = &inspected(engine, "it")["value"];
    assert_eq!(value["properties"].as_array().unwrap().len(), 200);
    assert_eq!(value["properties_left_out"], 5001 - 200);
}

#[test]
fn values_that_attack_an_inspection_do_nothing() {
    let engine = &mut engine(&[
        "const trap = new Proxy({}, {get() { throw 1 }, ownKeys() { for (;;); }, getPrototypeOf() { for (;;); }})",
        "const deep = Object.create(trap)",
        "let chain = {}; for (let i = 0; i < 1000; i++) chain = {chain, o: Object.create(chain)}",
    ]);
    assert_eq!(completed(engine, "trap."), []);
    assert_eq!(completed(engine, "deep."), []);
    assert_eq!(inspected(engine, "trap")["value"]["preview"], "Proxy {}");
    assert_eq!(inspected(engine, "chain")["value"]["type"], "object");
}

#[test]
fn what_a_script_uses_outlives_collections_in_the_middle_of_it() {
    let engine = &mut engine(&[
        "const kept = Array.from({ length: 50 }, (_, i) => new Uint8Array(100).fill(i));
         const copies = kept.map((bytes) => new Uint16Array(bytes.buffer.slice(0)));
         const held = new WeakRef(kept[7]); const weak = new WeakMap(kept.map((bytes, i) => [bytes, i]));",
        "const later = []; const wait = () => new Promise((done) => setTimeout(done, 1));
         const pair = [wait(), Promise.resolve(new ArrayBuffer(8))];
         for (let i = 0; i < 20; i++) { later.push(structuredClone({ bytes: kept[i], i })); await wait(); }
         later.push((await Promise.all(pair))[1].byteLength);",
    ]);
    for expression in [
        "kept.every((bytes, i) => bytes[99] === i && weak.get(bytes) === i)",
        "copies.every((copy, i) => copy[49] === i * 257)",
        "later.slice(0, 20).every((clone, i) => clone.i === i && clone.bytes[0] === i) && later[20] === 8",
        "held.deref() === kept[7]",
    ] {
        let seen = inspected(engine, expression);
        assert_eq!(seen["text"], "true", "{expression}: {seen}");
    }
}
