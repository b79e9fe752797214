//! Whether a URL may be reached, and by which addresses.

use std::net::IpAddr;

use url::{Host, Url};
use vmcontrol::Policy;

use super::address::is_public;
use super::client::Lookup;
use crate::host_modules::broker::reply::add_capability_command;
use crate::ipc::HostError;

/// The check whether a session may reach a URL.
pub(super) struct Gate<'a> {
    pub(super) policy: &'a Policy,
    pub(super) lookup: &'a dyn Lookup,
}

/// A host that may be connected to.
#[derive(Debug)]
pub(super) struct CheckedHost {
    /// The host as the HTTP client asks for it.
    pub(super) name: String,
    /// The addresses that may be connected to.
    pub(super) addresses: Vec<IpAddr>,
}

impl Gate<'_> {
    /// Checks a URL, and the addresses of its host.
    ///
    /// # Errors
    /// `EACCES` when the policy does not allow the URL, `ENOTFOUND` when its host has no address,
    /// `ERR_INVALID_URL`.
    pub(super) async fn check(&self, url: &Url) -> Result<CheckedHost, HostError> {
        let default_port = match url.scheme() {
            "http" => 80,
            "https" => 443,
            scheme => {
                return Err(HostError::with_code(
                    "ERR_INVALID_URL",
                    format!(
                        "fetch of {url}: the scheme {scheme} is not supported, only http and https"
                    ),
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HostError::with_code(
                "ERR_INVALID_URL",
                "fetch: a URL that holds a user name or a password is not supported: use the header Authorization",
            ));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(HostError::with_code(
                "ERR_INVALID_URL",
                format!("fetch of {url}: it has no host"),
            ));
        };
        let host = host.to_owned();
        let net = &self.policy.grants.net;
        let refused = |why| Err(self.refusal(url, &host, why));
        if net.denies(&host, port) {
            return refused(Why::TakenAway);
        }
        if !net.allows(&host, port, default_port) {
            return refused(Why::NotGiven);
        }
        let found = match &host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self.look_up(name).await?,
        };
        let is_literal = net.is_named_literally(&host, port, default_port);
        let mut addresses = found.clone();
        addresses.retain(|address| is_literal || is_public(*address));
        if addresses.is_empty() {
            return refused(Why::NotPublic(&found));
        }
        addresses.retain(|address| !net.denies(&host_of(*address), port));
        if addresses.is_empty() {
            return refused(Why::TakenAway);
        }
        Ok(CheckedHost {
            name: url.host_str().unwrap_or_default().to_owned(),
            addresses,
        })
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, HostError> {
        let found = self.lookup.lookup(name).await.unwrap_or_default();
        if !found.is_empty() {
            return Ok(found);
        }
        let mut error = HostError::with_code("ENOTFOUND", format!("getaddrinfo ENOTFOUND {name}"));
        error
            .properties
            .insert("syscall".into(), "getaddrinfo".into());
        error.properties.insert("hostname".into(), name.into());
        Err(error)
    }

    fn refusal(&self, url: &Url, host: &Host, why: Why<'_>) -> HostError {
        let name = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let template = self.policy.template_id.to_string();
        let add = || {
            // A shell would expand the brackets of an IPv6 address.
            let quoted = if name.starts_with('[') {
                format!("'{name}'")
            } else {
                name.clone()
            };
            let command = add_capability_command(&template, "net", &quoted, None);
            format!("add one for new sessions with {command}")
        };
        let reason = match why {
            Why::NotGiven => format!("no net capability of the template gives {name}; {}", add()),
            Why::NotPublic(addresses) => format!(
                "it leads to {}, which is not a public address, and no net capability of the template names {name} \
                 itself; {}",
                list(addresses),
                add()
            ),
            Why::TakenAway => format!(
                "a net capability of the template that is not enabled takes {name} away; see `vm-system template \
                 list-capabilities {template}`"
            ),
        };
        let origin = url.origin().ascii_serialization();
        HostError::with_code(
            "EACCES",
            format!("EACCES: permission denied, fetch '{origin}': {reason}"),
        )
    }
}

/// Why a URL may not be reached.
#[derive(Clone, Copy)]
enum Why<'a> {
    NotGiven,
    NotPublic(&'a [IpAddr]),
    TakenAway,
}

fn host_of(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(address) => Host::Ipv4(address),
        IpAddr::V6(address) => Host::Ipv6(address),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
