//! Engines, behind one trait. Nothing outside an engine's adapter names the crate that it adapts.

mod boa;
pub(crate) mod source;

use std::rc::Rc;

use vmapi_types::{EventType, RawJson};
use vmcontrol::runtime::{Query, QueryResult, RunRequest};

use crate::ipc::{Answered, HostError, LoadError, SessionSetup};

/// The engines that are built in; the first is the default.
pub(crate) const NAMES: &[&str] = &["boa"];

/// A JavaScript engine with one global scope. It lives in a worker process and is copied by forks.
pub(crate) trait Engine {
    /// Runs a library, before [`configure`](Self::configure). A module that leaves nothing in the global scope is refused. After a
    /// failure the engine must not be used any more.
    fn load(&mut self, name: &str, source: &str) -> Result<(), LoadError>;

    /// Fits the global scope to a session's policy, before its first script.
    fn configure(&mut self, setup: &SessionSetup) -> Result<(), String>;

    /// Runs a script until its jobs are done, and looks at its value. What it prints and calls goes through the
    /// [`HostLink`]. It may never return: limits are kept by whoever owns the process. After a [`Deadlock`] the engine
    /// must not be used any more.
    fn evaluate(&mut self, request: &RunRequest) -> Result<Evaluation, Deadlock>;

    /// Answers a question about the scope, in a process that ends with the answer: what it does to the engine does not
    /// matter. Scripts that it runs reach no host module.
    fn query(&mut self, query: &Query) -> QueryResult;

    /// Frees what is not reachable, while nobody waits.
    fn collect(&mut self);

    /// Makes random numbers differ from those of the process that this one was forked from.
    fn reseed(&mut self);
}

/// How a script ended.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Whether it threw.
    pub(crate) threw: bool,
    /// The payload of the `value` or `exception` event.
    pub(crate) payload: RawJson,
}

/// A script waits for something, and nothing is left that could bring it about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlock;

/// A script's ways to the daemon.
pub(crate) trait HostLink {
    /// Something happened.
    fn event(&self, kind: EventType, payload: RawJson);

    /// Calls a function of a host module and waits for the answer. `body` holds the bytes and long texts that the arguments
    /// name parts of.
    fn call(
        &self,
        module: &str,
        function: &str,
        args: RawJson,
        body: Vec<u8>,
    ) -> Result<Answered, HostError>;

    /// What a script is to be told from outside: the time, chance. `ask` gives it; a script that is run once more in the same
    /// state is told what it was told then.
    fn record_input(&self, ask: &dyn Fn() -> u64) -> u64;

    /// To be called when a script is to learn, or do, what can't be told or done once more.
    fn mark_nondeterministic(&self);

    /// Has the engine free what is not reachable, if the heap has grown much since that was last done. To be called from time to
    /// time while a script runs, whose garbage counts against its limit.
    fn collect_if_due(&self, collect: fn());
}

/// Builds and warms up an engine.
pub(crate) fn build(name: &str, link: Rc<dyn HostLink>) -> Result<Box<dyn Engine>, String> {
    match name {
        "boa" => Ok(Box::new(boa::Boa::new(link)?)),
        _ => Err(format!("the engine {name:?} is not built in")),
    }
}
