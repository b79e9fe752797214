//! The calls of one session to the module.

use std::sync::Arc;

use vmcontrol::runtime::BoxFuture;

use super::client::{Lookup, SystemLookup};
use super::fetch::{self, Given};
use super::gate::Gate;
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::arguments::args;
use crate::host_modules::broker::module::{Reply, SessionModule};
use crate::host_modules::broker::reply::{answer, unknown_function};
use crate::host_modules::broker::session_context::SessionContext;
use crate::ipc::{HostCall, HostReply};

/// The requests of one session. No state is kept between them.
pub(super) struct Requests {
    context: Arc<SessionContext>,
    lookup: Arc<dyn Lookup>,
}

impl Requests {
    /// Requests to the hosts that the system finds by name.
    pub(super) fn new(context: &Arc<SessionContext>) -> Self {
        Self::by(context, Arc::new(SystemLookup))
    }

    /// Requests to the hosts that `lookup` finds by name.
    pub(super) fn by(context: &Arc<SessionContext>, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            context: Arc::clone(context),
            lookup,
        }
    }

    /// Carries a call out. Dropping the future ends the request.
    async fn carry_out(&self, call: &HostCall, answering: &Answering) -> HostReply {
        if call.function != "fetch" {
            return Err(unknown_function(call));
        }
        let usage = "fetch({url, method, headers, body, redirect, timeout_ms})";
        let (request,): (Given,) = args(call, usage)?;
        let gate = Gate {
            policy: &self.context.policy,
            lookup: &*self.lookup,
        };
        let request = request.read(call)?;
        answer(&fetch::fetch(&gate, request, answering).await?)
    }
}

impl SessionModule for Requests {
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self.carry_out(&call, answering).await.into() })
    }
}
