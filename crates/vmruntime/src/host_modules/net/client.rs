//! The HTTP client of the daemon. It connects only to addresses that were checked for the request.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use vmcontrol::runtime::BoxFuture;

/// How long a connection may take to be established. The limits of the execution bound the rest of
/// a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The name of the host that the current request connects to, and its checked addresses.
    static CHECKED: (String, Vec<IpAddr>);
}

/// Why there is no client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoClient(String);

static CLIENT: LazyLock<Result<reqwest::Client, NoClient>> = LazyLock::new(|| {
    // It fails if the process has a provider already, which can be used as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        // Connections are not kept, because another session could use one to an address that its
        // policy does not allow.
        .pool_max_idle_per_host(0)
        .dns_resolver(CheckedOnly)
        .user_agent(concat!("vm-system/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| NoClient(error.to_string()))
});

/// Resolves the names of hosts.
pub(super) trait Lookup: Send + Sync {
    /// The addresses of a name.
    ///
    /// # Errors
    /// When the name can't be resolved.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Resolves names as the system does.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// The client. It is created at the first request, on a thread that may block.
///
/// # Errors
/// When the client can't be created, or could not be created at the first request.
pub(super) async fn client() -> Result<reqwest::Client, NoClient> {
    tokio::task::spawn_blocking(|| CLIENT.clone())
        .await
        .unwrap_or_else(|error| Err(NoClient(error.to_string())))
}

/// Sends a request to one of `addresses`, whatever addresses the host name `name` has in DNS.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    name: String,
    addresses: Vec<IpAddr>,
) -> reqwest::Result<reqwest::Response> {
    CHECKED.scope((name, addresses), request.send()).await
}

/// A resolver that knows only the name that was checked for the current request, with the checked
/// addresses.
struct CheckedOnly;

impl Resolve for CheckedOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = CHECKED
            .try_with(|(checked, addresses)| (checked == name.as_str()).then(|| addresses.clone()));
        let checked = checked.ok().flatten();
        Box::pin(async move {
            let addresses = checked.ok_or("the addresses of the name were not checked")?;
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
