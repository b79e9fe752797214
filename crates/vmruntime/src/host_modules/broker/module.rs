//! The interface of host modules.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use vmcontrol::runtime::{BoxFuture, HostModuleInfo};

use super::answering::Answering;
use super::session_context::SessionContext;
use crate::engine::ModuleScript;
use crate::ipc::{HostAnswer, HostCall, HostReply};

/// A host module, as the registry lists it. Each module's folder defines one as a constant.
#[derive(Clone, Copy)]
pub(crate) struct HostModule {
    /// Its name, and what clients and templates see of it.
    pub(crate) info: HostModuleInfo,
    /// Which sessions may call it.
    pub(crate) access: Access,
    /// The script that gives the module its shape; `None` if only the engine itself calls the
    /// module.
    pub(crate) script: Option<ModuleScript>,
    /// Creates the module for one session, at the session's first call to it. It must not block.
    pub(crate) open: fn(&Arc<SessionContext>) -> Box<dyn SessionModule>,
    /// The process outside the daemon that does the module's work; `None` if the daemon does it.
    pub(crate) process: Option<ModuleProcess>,
}

/// Which sessions may call a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The sessions whose policy lists the module. The broker refuses the calls of all others.
    ByTemplate,
    /// Every session. The module itself checks what a call may do, and no template can name the
    /// module.
    EverySession,
}

/// A process of this binary that works for one host module.
#[derive(Clone, Copy)]
pub(crate) struct ModuleProcess {
    /// The worker's first argument, in place of the name of an engine.
    pub(crate) argument: &'static str,
    /// The main function of the process. It gets the arguments after the first one, and serves the
    /// daemon until the daemon closes the channel.
    pub(crate) serve: fn(&mut dyn Iterator<Item = OsString>) -> io::Result<()>,
}

/// How a run ended, as far as host modules are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOutcome {
    /// The run was committed: the session keeps its state.
    Committed,
    /// The run was rolled back: the session is as it was before the run.
    RolledBack,
}

/// What a module returns for a call.
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

/// The part of a host module that belongs to one session, in the daemon.
///
/// A session calls one function at a time. The hooks are called in this order:
/// [`ready`](Self::ready), then [`call`](Self::call), as often as the run calls; when the run
/// has ended [`run_ended`](Self::run_ended), and after a roll-back
/// [`rolled_back`](Self::rolled_back). A module that keeps nothing between calls implements `call`
/// alone.
pub(crate) trait SessionModule: Send + Sync {
    /// Carries a call out. If the future is dropped, the run is being rolled back: the work of the
    /// call must end, at the latest before the future of [`rolled_back`](Self::rolled_back) does.
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply>;

    /// Waits until the module has done what follows from the end of the last run. The broker awaits
    /// it before each call of the session, including calls to other modules, so that a call finds
    /// nothing locked. Returns `None` if there is nothing to wait for.
    fn ready(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }

    /// Is told how a run ended. It must not block, but it may start a task.
    fn run_ended(&self, _: RunOutcome) {}

    /// Waits until no work of a rolled-back run is under way. It is called after
    /// [`run_ended`](Self::run_ended), before the roll-back is reported to the client. Returns
    /// `None` if there is nothing to wait for.
    fn rolled_back(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}
