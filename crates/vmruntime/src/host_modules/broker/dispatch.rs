//! The broker of a session.
//!
//! A session process can do nothing itself. It asks, and the broker checks the session's policy for
//! every single call: what the session process believes to be allowed counts for nothing here.

use std::io;
use std::sync::{Arc, OnceLock};

use super::answering::Answering;
use super::module::{Access, HostModule, Reply, RunOutcome, SessionModule};
use super::session_context::SessionContext;
use crate::ipc::{HostAnswer, HostCall, HostError};

/// Hands the calls of one session to host modules.
pub(crate) struct Broker {
    context: Arc<SessionContext>,
    slots: Box<[Slot]>,
}

/// A module of the registry, and what the session has of it.
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

    /// Carries a call of a script out. When this returns, all of the answer has been sent but the
    /// end, which it gives. If the future is dropped, what the call has begun ends.
    ///
    /// # Errors
    /// When the session process is gone.
    pub(crate) async fn call(
        &self,
        call: HostCall,
        answering: &Answering,
    ) -> io::Result<HostAnswer> {
        for module in self.opened() {
            if let Some(settled) = module.settled() {
                settled.await;
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

    /// Tells the modules that the session keeps what a run did.
    pub(crate) fn run_committed(&self) {
        self.run_ended(RunOutcome::Committed);
        self.context.allowance.begin();
    }

    /// Has the modules take back what a rolled-back run left open. When this returns, nothing that
    /// the run began goes on.
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
