//! Bench support: parts of this crate that the benchmarks measure one by one. They are not an
//! interface: they change with the code that they measure.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use vmapi_types::{EventType, Limits, RawJson, RuntimeSettings};
use vmcontrol::runtime::{RunMode, RunRequest};

use crate::engine::{self, Engine, EngineError, HostLink};
use crate::host_modules;
use crate::ipc::codec::{self, Encoded};
use crate::ipc::frame::{Assembler, split};
use crate::ipc::{Answered, FromSession, HostError, MAX_FROM_SESSION_BYTES, SessionSetup};

/// Carries an event from one end of a channel to the other, without the socket: it is encoded, cut
/// into datagrams, put together and decoded.
///
/// # Panics
/// When another event arrives.
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

/// Why a [`Scope`] can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    /// The engine can't be built or configured.
    #[error("{0}")]
    Engine(String),
    /// The snippet waits for a promise that nothing can settle.
    #[error("the snippet waits for something that can't happen")]
    Deadlock,
}

impl Scope {
    /// Builds an engine with its scope.
    ///
    /// # Errors
    /// [`ScopeError::Engine`].
    pub fn new() -> Result<Self, ScopeError> {
        let refused = |error: EngineError| ScopeError::Engine(error.to_string());
        let built = engine::build(engine::NAMES[0], Rc::new(NoHost), host_modules::scripts());
        let mut engine = built.map_err(refused)?;
        let setup = SessionSetup {
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
        };
        engine.configure(&setup).map_err(refused)?;
        Ok(Self { engine })
    }

    /// Runs a snippet and inspects its value. Returns the payload of the value or exception event.
    ///
    /// # Errors
    /// [`ScopeError::Deadlock`].
    pub fn evaluate(&mut self, source: &str) -> Result<RawJson, ScopeError> {
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
            .map_err(|_| ScopeError::Deadlock)
    }
}

/// The link to a daemon that drops all events and has no host modules.
struct NoHost;

impl HostLink for NoHost {
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
