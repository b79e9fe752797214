//! The HTTP client of the daemon, which connects to nothing but addresses that were checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use vmcontrol::runtime::BoxFuture;

/// How long a connection may take to be made. The rest has the limits of the execution.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The name that this request connects to, and its addresses: they have been checked.
    static CHECKED: (String, Vec<IpAddr>);
}

static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| {
    // A provider that is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        // Connections are not kept: another session that may not reach an address must not find one that leads there.
        .pool_max_idle_per_host(0)
        .dns_resolver(CheckedOnly)
        .user_agent(concat!("vm-system/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
});

/// How names become addresses.
pub(super) trait Lookup: Send + Sync {
    /// The addresses of a name.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// As the system does it.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// The client; it is made when it is first needed, off the threads that serve.
pub(super) async fn client() -> Result<reqwest::Client, String> {
    tokio::task::spawn_blocking(|| CLIENT.clone())
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

/// Sends a request to the addresses that the name of its host has.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    name: String,
    addresses: Vec<IpAddr>,
) -> reqwest::Result<reqwest::Response> {
    CHECKED.scope((name, addresses), request.send()).await
}

/// Answers with what the request that asks has checked, and with nothing else.
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
