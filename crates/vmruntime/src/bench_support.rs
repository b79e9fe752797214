//! Parts that the benchmarks time one by one. They are no interface, and change with what they time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use vmapi_types::{EventType, Limits, RawJson, RuntimeSettings};
use vmcontrol::runtime::{RunMode, RunRequest};

use crate::engine::{self, Engine, HostLink};
use crate::host_modules;
use crate::ipc::codec::{self, Encoded};
use crate::ipc::frame::{Assembler, split};
use crate::ipc::{Answered, FromSession, HostError, MAX_FROM_SESSION_BYTES, SessionSetup};

/// Carries an event from one end of a channel to the other, without the socket: its text, the datagrams, and all that again.
///
/// # Panics
/// When it is not what arrives.
pub fn carry_event(payload: &RawJson) -> RawJson {
    let kind = EventType::Console;
    let event = FromSession::Event {
        kind,
        payload: payload.clone(),
    };
    let encoded = Encoded::of(&event).expect("an event is JSON");
    let mut assembler = Assembler::new(MAX_FROM_SESSION_BYTES);
    let mut whole = None;
    for (header, [first, second, third]) in split(1, false, encoded.parts(&event)) {
        let datagram = [&header, first, second, third].concat();
        whole = assembler.push(&datagram).expect("datagrams in their order");
    }
    let bytes = whole.and_then(|message| message.bytes);
    match codec::decode(bytes.expect("the last datagram ends the message")) {
        Ok(FromSession::Event { payload, .. }) => payload,
        other => panic!("{other:?}"),
    }
}

/// An engine in this process, with a global scope like that of a session.
pub struct Scope {
    engine: Box<dyn Engine>,
}

impl Scope {
    /// Builds one.
    ///
    /// # Errors
    /// When the engine can't be built.
    pub fn new() -> Result<Self, String> {
        let mut engine = engine::build(engine::NAMES[0], Rc::new(Nobody), host_modules::scripts())
            .map_err(|error| error.to_string())?;
        let configured = engine.configure(&SessionSetup {
            tag: String::new(),
            limits: Limits::default(),
            runtime: RuntimeSettings::default(),
            modules: Vec::new(),
            template_id: String::new(),
            worktree: "/".into(),
            started: Duration::ZERO,
            started_at: Duration::ZERO,
            env: Map::new(),
            globals: Vec::new(),
            removed_globals: Vec::new(),
        });
        configured.map_err(|error| error.to_string())?;
        Ok(Self { engine })
    }

    /// Runs a snippet and looks at its value; gives the payload of the event that says what it is.
    ///
    /// # Errors
    /// When it waits for what can't happen.
    pub fn evaluate(&mut self, source: &str) -> Result<RawJson, String> {
        let request = RunRequest {
            source: source.into(),
            name: "repl".into(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        };
        let evaluated = self.engine.evaluate(&request);
        evaluated
            .map(|evaluation| evaluation.payload)
            .map_err(|_| "it waits for ever".into())
    }
}

/// A daemon that hears nothing and does nothing.
struct Nobody;

impl HostLink for Nobody {
    fn event(&self, _: EventType, _: RawJson) {}

    fn call(&self, _: &str, _: &str, _: RawJson, _: Vec<u8>) -> Result<Answered, HostError> {
        Err(HostError::new("there is no host"))
    }

    fn record_input(&self, ask: &dyn Fn() -> u64) -> u64 {
        ask()
    }

    fn mark_nondeterministic(&self) {}

    fn collect_if_due(&self, _: fn()) {}
}
