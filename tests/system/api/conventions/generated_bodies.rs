//! Generated bodies of requests: each gets an answer of the documented form within a bound.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Number, Value, json};
use vm_system_tests::{Answer, Daemon, Session};

use crate::support::generated::for_generated_inputs;

/// The bound on the time of an answer.
const SOON: Duration = Duration::from_secs(20);

/// Every route that takes a body, with a valid body. Words in capitals are replaced before the body
/// is sent.
fn routes() -> Vec<(Method, &'static str, Value)> {
    let post = |path, body| (Method::POST, path, body);
    vec![
        post("/templates", json!({"name": "NEW", "engine": "boa"})),
        post(
            "/templates/TEMPLATE/capabilities",
            json!({"kind": "fs", "name": "NEW", "enabled": true, "config": {"read": ["a/**"], "write": ["b"]}}),
        ),
        post(
            "/templates/TEMPLATE/capabilities",
            json!({"kind": "net", "name": "NEW", "config": {"hosts": ["*.example.org", "[::1]:80"]}}),
        ),
        post(
            "/templates/TEMPLATE/capabilities",
            json!({"kind": "module", "name": "exec", "config": {"commands": ["/bin/true"]}}),
        ),
        post(
            "/templates/TEMPLATE/capabilities",
            json!({"kind": "env", "name": "NEW", "config": {"names": ["LANG"]}}),
        ),
        post(
            "/templates/TEMPLATE/capabilities",
            json!({"kind": "global", "name": "NEW", "config": {"value": {"a": [1]}}}),
        ),
        post(
            "/templates/TEMPLATE/startup-files",
            json!({"path": "a.js", "order_index": 10, "mode": "eval"}),
        ),
        post("/templates/TEMPLATE/modules", json!({"name": "fs"})),
        post(
            "/templates/TEMPLATE/libraries",
            json!({"name": "lodash-4.17.21"}),
        ),
        (
            Method::PATCH,
            "/templates/TEMPLATE",
            json!({
                "name": "NEW",
                "is_active": true,
                "limits": {"cpu_ms": 100, "wall_ms": 200, "mem_mb": 64, "max_events": 10, "max_output_kb": 10},
                "resolver": {"roots": ["."], "extensions": [".js"], "allow_absolute_repo_imports": false},
                "runtime": {"esm": true, "strict": true, "console": false},
            }),
        ),
        post(
            "/sessions",
            json!({"template_id": "TEMPLATE", "workspace_id": "w", "base_commit_oid": "c", "worktree_path": "WORKTREE"}),
        ),
        post("/sessions/SESSION/close", json!({})),
        post(
            "/executions/repl",
            json!({"session_id": "SESSION", "input": "1 + 1"}),
        ),
        post(
            "/executions/run-file",
            json!({"session_id": "SESSION", "path": "a.js", "args": {"a": [1]}, "env": {"A": "b"}}),
        ),
        post("/executions/EXECUTION/cancel", json!({})),
    ]
}

/// A text that is invalid in most fields.
fn odd_text() -> impl Strategy<Value = String> {
    let known = select(vec![
        "",
        " ",
        "\0",
        "\u{feff}",
        "\u{202e}",
        "../x",
        "/",
        "a.js",
        "TEMPLATE",
        "SESSION",
        "EXECUTION",
        "00000000-0000-0000-0000-000000000000",
        "boa",
        "**",
        "[",
        "{a,",
        "*.",
        "__proto__",
        "constructor",
        "throw 1",
        "'",
        "`${",
        "'; DROP TABLE template; --",
    ]);
    prop_oneof![
        known.prop_map(str::to_owned),
        any::<String>(),
        (0..20_000_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn odd_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-2_i64..3).prop_map(Number::from),
        any::<f64>().prop_filter_map("it is finite", Number::from_f64),
    ]
}

/// Any JSON value.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        odd_number().prop_map(Value::Number),
        odd_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((odd_text(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// How a valid body is changed.
#[derive(Clone, Debug)]
enum Change {
    /// The body stays.
    None,
    /// The body is replaced.
    Whole(Value),
    /// One of its values, at any depth, is replaced.
    Replace(Index, Value),
    /// One of its values is removed.
    Remove(Index),
    /// A field is added.
    Add(String, Value),
    /// Bytes of the text are replaced.
    Flip(Vec<(Index, u8)>),
    /// The text ends early.
    Cut(Index),
    /// Bytes are inserted into the text.
    Insert(Index, String),
    /// The body is nested deeply.
    Deep(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::None),
        2 => any_json().prop_map(Change::Whole),
        6 => (any::<Index>(), any_json()).prop_map(|(at, value)| Change::Replace(at, value)),
        2 => any::<Index>().prop_map(Change::Remove),
        2 => (odd_text(), any_json()).prop_map(|(name, value)| Change::Add(name, value)),
        2 => proptest::collection::vec(any::<(Index, u8)>(), 1..4).prop_map(Change::Flip),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), odd_text()).prop_map(|(at, text)| Change::Insert(at, text)),
        1 => (1..2000_usize).prop_map(Change::Deep),
    ]
}

/// The JSON pointers of all values inside a value.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    let mut note = |name: &str, inner: &Value| {
        let below = format!("{here}/{name}");
        found.push(below.clone());
        pointers(inner, &below, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| note(name, inner)),
        Value::Array(all) => {
            for (index, inner) in all.iter().enumerate() {
                note(&index.to_string(), inner);
            }
        }
        _ => {}
    }
}

impl Change {
    fn apply(&self, mut body: Value) -> Vec<u8> {
        let mut all = Vec::new();
        pointers(&body, "", &mut all);
        match self {
            Self::Whole(value) => body = value.clone(),
            Self::Replace(at, value) if !all.is_empty() => {
                let pointer = at.get(&all);
                *body.pointer_mut(pointer).expect("it is there") = value.clone();
            }
            Self::Remove(at) if !all.is_empty() => {
                let (parent, name) = at.get(&all).rsplit_once('/').expect("it has a parent");
                match body.pointer_mut(parent).expect("it is there") {
                    Value::Object(fields) => drop(fields.remove(name)),
                    Value::Array(list) => list.clear(),
                    _ => {}
                }
            }
            Self::Add(name, value) => {
                let fields: &mut Map<_, _> = body.as_object_mut().expect("a body is an object");
                fields.insert(name.clone(), value.clone());
            }
            _ => {}
        }
        let mut text = body.to_string().into_bytes();
        match self {
            Self::Flip(flips) => {
                for (at, bits) in flips {
                    let at = at.index(text.len());
                    text[at] ^= bits;
                }
            }
            Self::Cut(at) => text.truncate(at.index(text.len())),
            Self::Insert(at, more) => {
                let at = at.index(text.len());
                text.splice(at..at, more.bytes());
            }
            Self::Deep(depth) => {
                text = format!("{}{}", "{\"args\":[".repeat(*depth), "]}".repeat(*depth)).into();
            }
            _ => {}
        }
        text
    }
}

/// The replacements of the words in capitals.
struct Names {
    template: String,
    session: Session,
    execution: String,
}

impl Names {
    fn new(daemon: &Daemon) -> Self {
        let template = daemon.template();
        let session = daemon.session_of(&template);
        let execution = session.run("1")["id"].as_str().unwrap().to_owned();
        Self {
            template,
            session,
            execution,
        }
    }

    fn put_in(&self, daemon: &Daemon, text: &str) -> String {
        text.replace("TEMPLATE", &self.template)
            .replace("SESSION", &self.session.id)
            .replace("EXECUTION", &self.execution)
            .replace("WORKTREE", daemon.worktree().to_str().unwrap())
            .replace("NEW", &format!("N{}", uuid::Uuid::new_v4().simple()))
    }
}

/// Checks that an answer has the form that the API documents.
fn check(answer: &Answer, took: Duration) -> Result<(), TestCaseError> {
    let shown = answer.text.chars().take(1000).collect::<String>();
    prop_assert!(took < SOON, "it took {took:?}: {shown}");
    prop_assert!(answer.status < 500, "{}: {shown}", answer.status);
    if answer.status >= 400 {
        let fields = answer.json.as_object().map(Map::len);
        prop_assert_eq!(fields, Some(1), "{}", shown);
        prop_assert!(
            !answer.code().is_empty() && !answer.message().is_empty(),
            "{shown}"
        );
    } else {
        prop_assert!(!answer.json.is_null(), "{shown}");
    }
    Ok(())
}

#[test]
fn any_body_is_answered_soon_and_as_the_api_says() {
    let daemon = Daemon::start();
    daemon.write("a.js", "1");
    let names = RefCell::new(Names::new(&daemon));
    let zygote = daemon.zygote();
    for_generated_inputs(
        &(select(routes()), change()),
        |((method, path, body), change)| {
            let mut names = names.borrow_mut();
            let path = names.put_in(&daemon, path);
            let body = serde_json::from_str(&names.put_in(&daemon, &body.to_string())).unwrap();
            let body = change.apply(body);
            // The change may contain words in capitals as well.
            let body = match String::from_utf8(body) {
                Ok(text) => names.put_in(&daemon, &text).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let request = daemon
                .api
                .request(method, &path)
                .header(CONTENT_TYPE, "application/json")
                .body(body);
            let asked = Instant::now();
            let answer = daemon.api.send(request);
            check(&answer, asked.elapsed())?;
            // A session that was created is closed, so that the limit of sessions is not reached; a
            // closed session is replaced.
            if answer.status == 201 && path == "/sessions" {
                let id = answer.json["id"].as_str().unwrap();
                daemon.session_with_id(id).close();
            }
            if path.ends_with("/close") {
                *names = Names::new(&daemon);
            }
            Ok(())
        },
    );
    assert_eq!(daemon.zygote(), zygote);
    assert_eq!(daemon.session().eval("1 + 1"), "2");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
