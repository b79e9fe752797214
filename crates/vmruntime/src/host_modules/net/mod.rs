//! `net`: what `fetch` asks for, done by the daemon.
//!
//! A session reaches the hosts that capabilities of kind `net` name, and by them the addresses of the internet; an address
//! of this machine or its network only if the template names that host literally, so that no name that somebody else
//! controls leads there. The name of a host is resolved here, its addresses are checked, and the connection is made to
//! the checked addresses alone. Each hop of a redirect is checked like the first.

mod address;
mod client;
mod failure;
mod fetch;
mod gate;
mod headers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vmcontrol::Policy;

use super::{Answering, answer, args, unknown_function};
use crate::ipc::{HostCall, HostReply};
use client::{Lookup, SystemLookup};
use fetch::Given;
use gate::Gate;

/// The module's name in calls.
pub(super) const MODULE: &str = "net";

/// The network of one session.
pub(super) struct Net {
    policy: Arc<Policy>,
    lookup: Arc<dyn Lookup>,
}

impl Net {
    pub(super) fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            lookup: Arc::new(SystemLookup),
        }
    }

    /// Does what a script asks for. Dropping the future ends the request.
    pub(super) async fn call(&self, call: &HostCall, answering: &Answering) -> HostReply {
        if call.function != "fetch" {
            return Err(unknown_function(call));
        }
        let usage = "fetch({url, method, headers, body, redirect, timeout_ms})";
        let (request,): (Given,) = args(call, usage)?;
        let gate = Gate {
            policy: &self.policy,
            lookup: &*self.lookup,
        };
        let request = request.read(call)?;
        answer(&fetch::fetch(&gate, request, answering).await?)
    }
}
