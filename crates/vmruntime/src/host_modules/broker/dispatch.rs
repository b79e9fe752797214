//! The broker of a session.
//!
//! A session process can't reach the world itself. It sends calls, and the broker checks the
//! session's policy for every single one: it does not rely on any check in the session process.

use std::io;
use std::sync::{Arc, OnceLock};

use super::answering::Answering;
use super::module::{Access, HostModule, Reply, RunOutcome, SessionModule};
use super::session_context::SessionContext;
use crate::ipc::{HostAnswer, HostCall, HostError};

/// Dispatches the calls of one session to host modules.
pub(crate) struct Broker {
    context: Arc<SessionContext>,
    slots: Box<[Slot]>,
}

/// A module of the registry, with the session's own part of it.
struct Slot {
    module: &'static HostModule,
    /// Empty until the session calls the module.
    opened: OnceLock<Box<dyn SessionModule>>,
}

impl Broker {
    /// A broker that knows these modules.
    pub(crate) fn new(modules: &'static [HostModule], context: SessionContext) -> Self {
        let slot = |module| Slot {
            module,
            opened: OnceLock::new(),
        };
        Self {
            context: Arc::new(context),
            slots: modules.iter().map(slot).collect(),
        }
    }

    /// Carries a call of a script out. It sends all of the answer but the end, which it returns. If
    /// the future is dropped, the work of the call ends.
    ///
    /// # Errors
    /// When the session process has ended.
    pub(crate) async fn call(
        &self,
        call: HostCall,
        answering: &Answering,
    ) -> io::Result<HostAnswer> {
        for module in self.opened() {
            if let Some(ready) = module.ready() {
                ready.await;
            }
        }
        let reply = match self.module(&call.module) {
            Ok(module) => module.call(call, answering).await,
            Err(refused) => Reply::Json(Err(refused)),
        };
        match reply {
            Reply::Json(reply) => answering.all_but_the_end(reply).await,
            Reply::End(end) => Ok(end),
        }
    }

    /// Tells the modules that a run was committed.
    pub(crate) fn run_committed(&self) {
        self.run_ended(RunOutcome::Committed);
        self.context.allowance.begin();
    }

    /// Has the modules undo what a rolled-back run left open. When it returns, no work of the run
    /// is under way any more.
    pub(crate) async fn run_rolled_back(&self) {
        self.run_ended(RunOutcome::RolledBack);
        for module in self.opened() {
            if let Some(rolled_back) = module.rolled_back() {
                rolled_back.await;
            }
        }
        self.context.allowance.begin();
    }

    fn run_ended(&self, outcome: RunOutcome) {
        for module in self.opened() {
            module.run_ended(outcome);
        }
    }

    /// The modules that the session has called.
    fn opened(&self) -> impl Iterator<Item = &dyn SessionModule> {
        let opened = self.slots.iter().filter_map(|slot| slot.opened.get());
        opened.map(|module| &**module)
    }

    /// The module of that name, if the session may call it.
    ///
    /// # Errors
    /// When the policy does not give the module, or there is none of that name.
    fn module(&self, name: &str) -> Result<&dyn SessionModule, HostError> {
        let named = |slot: &&Slot| slot.module.info.name == name;
        let may_call = |slot: &&Slot| match slot.module.access {
            Access::EverySession => true,
            Access::ByTemplate => self
                .context
                .policy
                .modules
                .iter()
                .any(|given| given == name),
        };
        let slot = self.slots.iter().find(named).filter(may_call);
        let slot = slot.ok_or_else(|| {
            HostError::with_code(
                "EACCES",
                format!("module {name:?} is not given by the template"),
            )
        })?;
        let opened = slot
            .opened
            .get_or_init(|| (slot.module.open)(&self.context));
        Ok(&**opened)
    }
}
