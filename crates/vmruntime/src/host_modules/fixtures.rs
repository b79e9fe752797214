//! Fixtures for the tests of host modules: a session, calls and answers.

use std::sync::Arc;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use uuid::Uuid;
use vmapi_types::{
    Capability, Limits, Resolver, RuntimeSettings, Settings, Template, TemplateDetails, Timestamp,
};
use vmcontrol::{FileKind, MemoryBudget, Policy, Worktree, WriteLimits};

use super::broker::answering::Answering;
use super::broker::module::{Reply, SessionModule};
use super::broker::session_context::{Bounds, SessionContext};
use crate::ipc::value::{self, Span};
use crate::ipc::worker_end::Channel;
use crate::ipc::{
    HostCall, HostError, MAX_FROM_SESSION_BYTES, MAX_TO_SESSION_BYTES, Pieces, ToSession,
};
use crate::ipc::{WorkerCommand, daemon_end};

/// A policy with capabilities, each a kind, a name, whether it is enabled and its configuration.
pub(crate) fn policy(capabilities: &[(&str, &str, bool, Value)]) -> Policy {
    let id = Uuid::nil();
    let now = Timestamp::now();
    let capability = |(kind, name, enabled, config): &(&str, &str, bool, Value)| Capability {
        id,
        vm_id: id,
        kind: (*kind).into(),
        name: (*name).into(),
        enabled: *enabled,
        config: config.as_object().unwrap().clone(),
    };
    Policy::of_template(
        TemplateDetails {
            template: Template {
                id,
                name: "t".into(),
                engine: "boa".into(),
                is_active: true,
                exposed_modules: vec!["database".into(), "exec".into(), "fs".into()],
                libraries: Vec::new(),
                created_at: now,
                updated_at: now,
            },
            settings: Settings {
                vm_id: id,
                limits: Limits::default(),
                resolver: Resolver::default(),
                runtime: RuntimeSettings::default(),
            },
            capabilities: capabilities.iter().map(capability).collect(),
            startup_files: Vec::new(),
        },
        super::host_modules(),
    )
}

/// An empty worktree.
pub(crate) fn worktree() -> (tempfile::TempDir, Worktree) {
    let home = tempfile::tempdir().unwrap();
    let worktree = Worktree::open_blocking(home.path().to_str().unwrap(), Vec::new()).unwrap();
    (home, worktree)
}

/// The first argument that makes this program a worker instead of running tests.
const WORKER: &str = "run-worker";

/// How the program of the tests is started as a worker.
pub(crate) fn worker() -> WorkerCommand {
    WorkerCommand {
        program: std::env::current_exe().unwrap(),
        args: vec![WORKER.into()],
    }
}

/// Turns this program into a worker before the test harness starts, which would print to the
/// standard output of a command.
// SAFETY: the loader calls what stands in this section, without arguments that matter, when the
// libraries are ready.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = run_worker_if_requested;

extern "C" fn run_worker_if_requested() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == WORKER) {
        crate::run_worker(args);
    }
}

/// A call with these arguments, in which `{"$bytes": "text"}` stands for bytes.
pub(crate) fn host_call(module: &str, function: &str, args: &Value) -> HostCall {
    let mut body = Vec::new();
    let args = in_body(args, &mut body);
    HostCall {
        module: module.into(),
        function: function.into(),
        args: to_raw_value(&args).unwrap(),
        body: body.into(),
    }
}

/// Moves bytes and long texts into a body.
fn in_body(value: &Value, body: &mut Vec<u8>) -> Value {
    match value {
        Value::Object(map) => match map.get(value::BYTES) {
            Some(Value::String(text)) => value::bytes(text.as_bytes(), body),
            _ => map
                .iter()
                .map(|(key, value)| (key.clone(), in_body(value, body)))
                .collect(),
        },
        Value::Array(values) => values.iter().map(|value| in_body(value, body)).collect(),
        Value::String(text) => value::text(text.into(), body),
        other => other.clone(),
    }
}

/// The JSON of an answer with the parts of its bodies in place: texts as they are, bytes as
/// `{"$bytes": "text"}` with replacement characters for malformed UTF-8, entries as objects.
pub(crate) fn out_of_bodies(value: &Value, bodies: &[Vec<u8>]) -> Value {
    let text_of = |span: &Value| {
        let Span(body, start, end) = serde_json::from_value(span.clone()).unwrap();
        let part = bodies
            .get(usize::from(body))
            .map_or(&[][..], |body| &body[start..end]);
        String::from_utf8_lossy(part).into_owned()
    };
    match value {
        // Its keys are those of a script.
        Value::Object(map) if map.contains_key(value::OBJECT) => value.clone(),
        Value::Object(map) => {
            if let Some(span) = map.get(value::TEXT) {
                return json!(text_of(span));
            }
            if let Some(span) = map.get(value::BYTES) {
                return json!({ value::BYTES: text_of(span) });
            }
            if map.contains_key(value::ENTRIES) {
                let all = bodies.first().map_or(&[][..], Vec::as_slice);
                let entries = all.split(|byte| *byte == 0).filter_map(|entry| {
                    let (kind, name) = entry.split_first()?;
                    let kind = FileKind::of_letter(*kind).as_str();
                    Some(json!({"name": String::from_utf8_lossy(name), "kind": kind}))
                });
                return entries.collect();
            }
            let inner =
                |(key, value): (&String, &Value)| (key.clone(), out_of_bodies(value, bodies));
            map.iter().map(inner).collect()
        }
        Value::Array(values) => values
            .iter()
            .map(|value| out_of_bodies(value, bodies))
            .collect(),
        other => other.clone(),
    }
}

/// A session with these capabilities, in an empty worktree, which is removed with the directory.
pub(crate) fn session(
    capabilities: &[(&str, &str, bool, Value)],
) -> (tempfile::TempDir, Arc<SessionContext>) {
    let (home, worktree) = worktree();
    let bounds = Bounds {
        memory: MemoryBudget::default(),
        write: WriteLimits::default(),
    };
    let policy = Arc::new(policy(capabilities));
    let context = SessionContext::new(policy, Arc::new(worktree), worker(), bounds);
    (home, Arc::new(context))
}

/// The answer of a module to a call, as the session process puts it together.
pub(crate) async fn answer_of(
    module: &dyn SessionModule,
    call: HostCall,
) -> Result<Value, HostError> {
    let (sender, _receiver, theirs) = daemon_end::pair(MAX_FROM_SESSION_BYTES).unwrap();
    let reading = std::thread::spawn(move || {
        let channel = Channel::new(theirs, MAX_TO_SESSION_BYTES);
        let mut pieces = Pieces::default();
        loop {
            let received = channel.receive::<ToSession>().unwrap().unwrap();
            let ToSession::HostAnswer(part) = received.message else {
                panic!("it is no part of an answer");
            };
            if let Some(answered) = pieces.push(part).unwrap() {
                return answered;
            }
        }
    });
    let answering = Answering::new(sender, 0);
    let end = match module.call(call, &answering).await {
        Reply::Json(reply) => answering.all_but_the_end(reply).await.unwrap(),
        Reply::End(end) => end,
    };
    answering.pass_on(end).await.unwrap();
    let answered = reading.join().unwrap()?;
    let json = serde_json::from_str(answered.json.get()).unwrap();
    Ok(out_of_bodies(&json, &answered.bodies))
}

#[test]
fn a_policy_of_no_capabilities_has_the_templates_modules() {
    assert_eq!(
        json!(policy(&[]).modules),
        json!(["database", "exec", "fs"])
    );
}
