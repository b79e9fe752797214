//! `net`: the requests of `fetch`, made by the daemon.
//!
//! Every session may call the module; capabilities of kind `net` say which hosts it can reach. A
//! host name is connected to public addresses only. An address of this machine or its network is
//! connected to only if the template names that host literally, so that no DNS name that another
//! party controls leads there. The daemon resolves the name of a host ([`client`]), checks the
//! addresses ([`gate`], [`address`]), and connects to the checked addresses alone. Each redirect is
//! checked as the first request is ([`fetch`]).

mod address;
mod client;
mod failure;
mod fetch;
mod gate;
mod headers;
mod requests;
#[cfg(test)]
mod tests;

use vmcontrol::runtime::HostModuleInfo;

use super::broker::module::{Access, HostModule};
use crate::engine::ModuleScript;
use requests::Requests;

/// The module, as the registry lists it.
pub(super) const MODULE: HostModule = HostModule {
    info: HostModuleInfo {
        name: "net",
        summary: "requests of fetch",
        description: "Makes the requests of fetch, to the hosts that capabilities of kind net give",
        functions: &["fetch"],
        config_keys: &[],
    },
    access: Access::EverySession,
    script: Some(ModuleScript {
        module: "net",
        specifiers: &[],
        source: include_str!("fetch.js"),
    }),
    open: |context| Box::new(Requests::new(context)),
    process: None,
};
