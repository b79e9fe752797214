//! The interface of host modules.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use vmcontrol::runtime::{BoxFuture, HostModuleInfo};

use super::answering::Answering;
use super::session_context::SessionContext;
use crate::engine::ModuleScript;
use crate::ipc::{HostAnswer, HostCall, HostReply};

/// A host module, as the registry lists it. It is a constant of the module's own folder.
#[derive(Clone, Copy)]
pub(crate) struct HostModule {
    /// Its name, and what clients and templates know of it.
    pub(crate) info: HostModuleInfo,
    /// Which sessions may call it.
    pub(crate) access: Access,
    /// What scripts see of it; `None` if only the engine itself calls it.
    pub(crate) script: Option<ModuleScript>,
    /// Makes the module for one session, with the session's first call to it. It must not block.
    pub(crate) open: fn(&Arc<SessionContext>) -> Box<dyn SessionModule>,
    /// The process that works for the module outside the daemon; `None` if the daemon does the
    /// work.
    pub(crate) process: Option<ModuleProcess>,
}

/// Which sessions may call a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Those whose policy lists the module. The broker refuses the calls of all others.
    ByTemplate,
    /// Every session. The module itself checks what a call may do, and no template can name it.
    EverySession,
}

/// A process of this same binary that works for one host module.
#[derive(Clone, Copy)]
pub(crate) struct ModuleProcess {
    /// The worker's first argument, in place of the name of an engine.
    pub(crate) argument: &'static str,
    /// The main function of the process. It gets the arguments after the first, and serves the
    /// daemon until the channel ends.
    pub(crate) serve: fn(&mut dyn Iterator<Item = OsString>) -> io::Result<()>,
}

/// How a run ended, as far as host modules are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOutcome {
    /// The session keeps the state that the run left.
    Committed,
    /// The run is rolled back: the session is as it was before the run.
    RolledBack,
}

/// What a module gives back for a call.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The JSON of the answer, or the error to throw. The broker sends it.
    Json(HostReply),
    /// The end of an answer of which the module has sent everything else.
    End(HostAnswer),
}

impl From<HostReply> for Reply {
    fn from(reply: HostReply) -> Self {
        Self::Json(reply)
    }
}

/// A host module as one session has it, in the daemon.
///
/// A session calls one function at a time. The hooks are called in this order:
/// [`settled`](Self::settled), then [`call`](Self::call), as often as the run calls; when the run
/// has ended [`run_ended`](Self::run_ended), and after a roll-back
/// [`rolled_back`](Self::rolled_back). A module that keeps nothing between calls implements `call`
/// alone.
pub(crate) trait SessionModule: Send + Sync {
    /// Carries a call out. If the future is dropped, the run is being rolled back: what the call
    /// has begun must end, at the latest before the future of [`rolled_back`](Self::rolled_back)
    /// does.
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply>;

    /// Waits until the module has come to terms with the end of the last run. The broker awaits it
    /// before each call of the session, also one to another module, so that the call finds nothing
    /// locked. `None` if there is nothing to wait for.
    fn settled(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    /// Notes how a run ended. It must not block: it may start work that goes on.
    fn run_ended(&self, _: RunOutcome) {}

    /// Waits until nothing goes on that a rolled-back run began. It is called after
    /// [`run_ended`](Self::run_ended), before the client learns that the run was rolled back.
    /// `None` if there is nothing to wait for.
    fn rolled_back(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}
