//! JavaScript engines, behind one trait.
//!
//! An engine runs in a worker process, never in the daemon. The zygote builds it once, loads the
//! libraries and forks; each fork configures its copy for one session and runs scripts in it. The
//! fork is the means of commit and roll-back, so an engine needs no undo of its own, but all its
//! state must live in the memory of its process.
//!
//! # Layout
//!
//! - [`source`] works on the text of scripts and knows no engine: it rewrites scripts so that
//!   top-level declarations can be repeated and `await` stands at the top, maps positions back,
//!   and tells whether a text is complete.
//! - [`prelude`] is the JavaScript of the web APIs, and [`web`] the part of their work that needs
//!   no value of an engine.
//! - [`view`] is what inspection, printing and completion share that is not of one engine: the
//!   layout of printed values, tables, the escapes of strings, the words of the language.
//! - [`boa`] is the adapter of `boa_engine`, and the only place that names that crate.
//!
//! # Adding an engine
//!
//! An adapter is a folder beside `boa`, an entry in [`NAMES`] and an arm in [`build`]. It
//! implements [`Engine`] and gives scripts the same environment: it runs [`prelude::PARTS`] and
//! then the script of each host module ([`ModuleScript`]) over the functions that `prelude`
//! lists.

mod boa;
mod error;
mod inputs;
mod prelude;
pub(crate) mod source;
pub(crate) mod view;
mod web;

use std::rc::Rc;

use vmapi_types::{EventType, RawJson};
use vmcontrol::runtime::{Query, QueryResult, RunRequest};

use crate::ipc::{Answered, HostError, LoadError, SessionSetup};

pub(crate) use error::EngineError;

/// The names of the engines that are built in; the first is the default.
pub(crate) const NAMES: &[&str] = &["boa"];

/// A JavaScript engine with one global scope, in a worker process with one thread.
///
/// The calls come in this order: [`load`](Self::load) for each library, in the zygote; then, in a
/// fork of it, [`configure`](Self::configure) once, and [`evaluate`](Self::evaluate) for each run.
/// A fork that answers a query calls [`query`](Self::query) once and ends.
///
/// What a run does must follow from the state of the engine, the request and the inputs that the
/// [`HostLink`] gives, because a session may be restored by replaying its runs in another process.
/// An engine therefore asks for the time and for random numbers with
/// [`HostLink::record_input`] alone, and calls [`HostLink::mark_nondeterministic`] in every run
/// that depends on anything else.
pub(crate) trait Engine {
    /// Runs a library before the engine is configured.
    ///
    /// After an error the engine must not be used any more.
    ///
    /// # Errors
    /// When the library throws, does not end by itself, or is a module that defines no global.
    fn load(&mut self, name: &str, source: &str) -> Result<(), LoadError>;

    /// Fits the global scope to the policy of a session, before its first script. It should write
    /// to as little memory as it can: the session shares the rest with the zygote.
    ///
    /// # Errors
    /// [`EngineError::Configure`]. The engine must not be used any more.
    fn configure(&mut self, setup: &SessionSetup) -> Result<(), EngineError>;

    /// Runs a script and the jobs that it leaves until none is left, and describes its value or
    /// its exception. What the script prints, and what it calls host modules for, goes through the
    /// [`HostLink`].
    ///
    /// It may run for ever: the owner of the process keeps the limits, by killing it.
    ///
    /// # Errors
    /// [`Deadlock`]. The engine must not be used any more.
    fn evaluate(&mut self, request: &RunRequest) -> Result<Evaluation, Deadlock>;

    /// Answers a query about the scope. The process ends with the answer, so the query may change
    /// the state of the engine. Scripts that it runs reach no host module.
    fn query(&mut self, query: &Query) -> QueryResult;

    /// Collects garbage. It is called between runs.
    fn collect(&mut self);

    /// Seeds the generator of random numbers anew, so that it gives other numbers than the
    /// process that this one was forked from.
    fn reseed(&mut self);
}

/// How a script ended.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Whether it threw.
    pub(crate) threw: bool,
    /// The payload of the `value` event, or of the `exception` event if it threw.
    pub(crate) payload: RawJson,
}

/// A script waits for a promise that nothing can settle any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlock;

/// The way of an engine to the daemon.
pub(crate) trait HostLink {
    /// Sends an event with this payload.
    fn event(&self, kind: EventType, payload: RawJson);

    /// Calls a function of a host module and waits for the answer. `args` is a JSON array, and
    /// `body` holds the bytes and long texts that it refers to.
    ///
    /// # Errors
    /// The error that the script is to get.
    fn call(
        &self,
        module: &str,
        function: &str,
        args: RawJson,
        body: Vec<u8>,
    ) -> Result<Answered, HostError>;

    /// Gives a nondeterministic input, such as the time or a random number, and records it.
    ///
    /// In a first run the input comes from `source`. In a replay of the run it is the one that was
    /// recorded, and `source` is not asked. An engine must therefore ask for inputs in an order
    /// that follows from its state alone.
    fn record_input(&self, source: &dyn Fn() -> u64) -> u64;

    /// Marks the current run as one that can't be replayed: it depends on something that
    /// [`record_input`](Self::record_input) can't give, or did something that must not happen
    /// twice. The session makes a checkpoint after it instead.
    fn mark_nondeterministic(&self);

    /// Calls `collect`, which collects garbage, if the heap has grown much since the last
    /// collection. An engine calls this from time to time while a script runs, since garbage
    /// counts towards the memory limit of the run.
    fn collect_if_due(&self, collect: fn());
}

/// What scripts see of a host module: its specifiers, and the JavaScript that gives it its shape.
///
/// The source is an expression whose value is a function. The engine calls the function once, when
/// it is built, with the object that [`prelude`] describes. The function stores what each specifier
/// gives in `host.modules`, and may define globals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModuleScript {
    /// The name of the module, by which a policy gives it to a session.
    pub(crate) module: &'static str,
    /// What `require` and `import` find the module by, also after `node:`. Empty if the module
    /// defines globals alone.
    pub(crate) specifiers: &'static [&'static str],
    /// The JavaScript.
    pub(crate) source: &'static str,
}

/// Builds and warms up the engine of that name, in which scripts find these host modules.
///
/// # Errors
/// [`EngineError::Unknown`] and [`EngineError::Build`].
pub(crate) fn build(
    name: &str,
    link: Rc<dyn HostLink>,
    modules: &'static [ModuleScript],
) -> Result<Box<dyn Engine>, EngineError> {
    match name {
        "boa" => Ok(Box::new(boa::Boa::new(link, modules)?)),
        _ => Err(EngineError::Unknown(name.to_owned())),
    }
}
