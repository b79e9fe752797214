//! Capabilities of kind `net`: which hosts `fetch` reaches.

use serde_json::{Map, Value};
use url::Host;

use super::config::{self, ConfigError, Problem};

/// The hosts that `fetch` reaches. Without capabilities, none.
#[derive(Clone, Debug, Default)]
pub struct NetGrant {
    allowed: Vec<Pattern>,
    denied: Vec<Pattern>,
    /// Whether a capability that could not be parsed denies all.
    closed: bool,
}

impl NetGrant {
    pub(super) fn add(
        &mut self,
        name: &str,
        enabled: bool,
        config: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        config::only(config, &["hosts"], "net")?;
        let hosts = config::list_or_name(config, "hosts", name, Pattern::parse)?;
        let list = if enabled {
            &mut self.allowed
        } else {
            &mut self.denied
        };
        list.extend(hosts);
        Ok(())
    }

    /// Denies every host, in place of a disabled capability that can't be parsed.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether no host at all is allowed.
    pub fn is_empty(&self) -> bool {
        self.closed || self.allowed.is_empty()
    }

    /// Whether a host of a URL may be reached at a port. A pattern without a port allows the
    /// default port of the URL's scheme, and denies every port.
    pub fn allows(&self, host: &Host, port: u16, default_port: u16) -> bool {
        self.is_allowed(host, port, default_port, |_| true)
    }

    /// Whether a host is allowed by its exact name or address, not through a wildcard. Only such a
    /// host may resolve to an address that is not public.
    pub fn is_named_literally(&self, host: &Host, port: u16, default_port: u16) -> bool {
        self.is_allowed(host, port, default_port, |pattern| {
            matches!(pattern.host, HostPattern::Exact(_))
        })
    }

    /// Whether a capability that is not enabled denies a host. This is to be checked for each
    /// address that a name resolves to as well.
    pub fn denies(&self, host: &Host, port: u16) -> bool {
        self.is_denied(&normal(host), port)
    }

    fn is_allowed(
        &self,
        host: &Host,
        port: u16,
        default_port: u16,
        counts: impl Fn(&Pattern) -> bool,
    ) -> bool {
        let host = normal(host);
        let allows = |pattern: &Pattern| {
            let port_fits = match pattern.port {
                PortPattern::Default => port == default_port,
                PortPattern::Exact(allowed) => port == allowed,
                PortPattern::Any => true,
            };
            port_fits && pattern.host.covers(&host) && counts(pattern)
        };
        !self.is_denied(&host, port) && self.allowed.iter().any(allows)
    }

    fn is_denied(&self, host: &Host, port: u16) -> bool {
        let denies = |pattern: &Pattern| {
            let port_fits = match pattern.port {
                PortPattern::Exact(denied) => port == denied,
                PortPattern::Default | PortPattern::Any => true,
            };
            port_fits && pattern.host.covers(host)
        };
        self.closed || self.denied.iter().any(denies)
    }
}

/// An entry of `hosts`: a host with its port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(Host),
    /// Every subdomain of this name; it begins with a dot.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    /// No port: the default one of the scheme.
    Default,
    Exact(u16),
    Any,
}

impl HostPattern {
    fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(exact), host) => exact == host,
            (Self::Below(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (Self::Below(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Problem> {
        let (host, port) = split_port(text)?;
        let port = match port {
            None => PortPattern::Default,
            Some("*") => PortPattern::Any,
            Some(digits) => PortPattern::Exact(port_of(digits)?),
        };
        let host = match host.strip_prefix("*.") {
            Some(name) => match parse_host(name)? {
                Host::Domain(name) => HostPattern::Below(format!(".{name}")),
                Host::Ipv4(_) | Host::Ipv6(_) => {
                    return Err(wrong("`*.` stands before a name, not before an address"));
                }
            },
            None => HostPattern::Exact(parse_host(host)?),
        };
        Ok(Self { host, port })
    }
}

/// The host, with its brackets, and the text after the colon; `None` without a colon.
fn split_port(text: &str) -> Result<(&str, Option<&str>), Problem> {
    let end = if text.starts_with('[') {
        text.find(']').map_or(text.len(), |bracket| bracket + 1)
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    if rest.is_empty() {
        return Ok((host, None));
    }
    match rest.strip_prefix(':') {
        Some(port) if !port.contains(':') => Ok((host, Some(port))),
        _ => Err(wrong("an IPv6 address stands in brackets, as in [::1]")),
    }
}

fn port_of(digits: &str) -> Result<u16, Problem> {
    let port = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|port| *port != 0);
    port.ok_or_else(|| wrong("the port is a number from 1 to 65535 or `*`"))
}

fn parse_host(text: &str) -> Result<Host, Problem> {
    if text.contains('*') {
        return Err(wrong(
            "`*` stands only at the beginning, as in *.example.org",
        ));
    }
    let host = Host::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let host = normal(&host);
    match &host {
        Host::Domain(name) if name.is_empty() || name.starts_with('.') || name.contains("..") => {
            Err(wrong("a part of the name is empty"))
        }
        _ => Ok(host),
    }
}

fn wrong(reason: &str) -> Problem {
    format!("must be a host like api.example.com, *.example.org or localhost:8080 ({reason})")
        .into()
}

/// The form in which hosts are compared. `url` has made names lower case and ASCII; here a name
/// loses the dot at its end, and an IPv4 address in IPv6 form becomes an IPv4 address.
fn normal(host: &Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(name).to_owned()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => match address.to_ipv4_mapped() {
            Some(address) => Host::Ipv4(address),
            None => Host::Ipv6(*address),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use url::Url;

    fn grant(given: &[&str], taken: &[&str]) -> NetGrant {
        let mut grant = NetGrant::default();
        for (enabled, hosts) in [(true, given), (false, taken)] {
            let config = json!({ "hosts": hosts });
            grant
                .add("n", enabled, config.as_object().unwrap())
                .unwrap();
        }
        grant
    }

    fn parts(url: &str) -> Option<(Host, u16, u16)> {
        let url = Url::parse(url).ok()?;
        let default = if url.scheme() == "https" { 443 } else { 80 };
        Some((
            url.host()?.to_owned(),
            url.port_or_known_default()?,
            default,
        ))
    }

    fn allows(grant: &NetGrant, url: &str) -> bool {
        parts(url).is_some_and(|(host, port, default)| grant.allows(&host, port, default))
    }

    fn literally(grant: &NetGrant, url: &str) -> bool {
        parts(url)
            .is_some_and(|(host, port, default)| grant.is_named_literally(&host, port, default))
    }

    #[test]
    fn without_capabilities_no_host_is_given() {
        let grant = NetGrant::default();
        assert!(grant.is_empty());
        assert!(!allows(&grant, "http://localhost/"));
    }

    #[test]
    fn the_name_is_the_host_when_there_are_no_hosts() {
        let mut grant = NetGrant::default();
        grant.add("api.example.com", true, &Map::new()).unwrap();
        assert!(allows(&grant, "https://api.example.com/"));
        assert!(grant.add("the api", true, &Map::new()).is_err());
    }

    #[test]
    fn names_are_compared_in_their_normal_form() {
        let grant = grant(&["API.Example.com.", "b\u{fc}cher.example"], &[]);
        for url in [
            "http://api.example.com/",
            "https://API.EXAMPLE.COM./x",
            "http://%61pi.example.com/",
            "http://api\u{3002}example\u{ff0e}com/",
            "http://\u{ff41}pi.example.com/",
            "http://xn--bcher-kva.example/",
            "http://B\u{dc}CHER.example/",
        ] {
            assert!(allows(&grant, url), "{url}");
        }
        for url in [
            "http://example.com/",
            "http://x.api.example.com/",
            "http://api.example.com.evil.test/",
            "http://api.example.com@evil.test/",
            "http://api.example.com%2eevil.test/",
            "http://evil.test/api.example.com",
            "http://evil.test#api.example.com",
            "http://evil.test\\@api.example.com/",
            "http://bucher.example/",
        ] {
            assert!(!allows(&grant, url), "{url}");
        }
    }

    #[test]
    fn a_wildcard_covers_subdomains_and_not_the_domain() {
        let grant = grant(&["*.example.org"], &[]);
        assert!(allows(&grant, "http://a.example.org/"));
        assert!(allows(&grant, "http://a.b.EXAMPLE.org./"));
        for url in [
            "http://example.org/",
            "http://.example.org/",
            "http://evilexample.org/",
            "http://a.example.org.evil/",
        ] {
            assert!(!allows(&grant, url), "{url}");
        }
        assert!(!literally(&grant, "http://a.example.org/"));
    }

    #[test]
    fn a_port_is_the_default_one_unless_it_is_said() {
        let grant = grant(&["a.test", "b.test:8080", "c.test:*", "[::1]:81"], &[]);
        for url in [
            "http://a.test/",
            "https://a.test/",
            "http://b.test:8080/",
            "http://c.test/",
            "https://c.test:9/",
            "http://[::1]:81/",
        ] {
            assert!(allows(&grant, url), "{url}");
            assert!(literally(&grant, url), "{url}");
        }
        for url in [
            "http://a.test:443/",
            "https://a.test:80/",
            "http://a.test:8080/",
            "http://b.test/",
            "http://[::1]/",
        ] {
            assert!(!allows(&grant, url), "{url}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_every_notation() {
        let grant = grant(
            &["10.0.0.5", "0x7f.1", "[::ffff:192.168.0.1]", "[0:0::1]"],
            &[],
        );
        for url in [
            "http://10.0.0.5/",
            "http://10.5/",
            "http://012.0.0.5/",
            "http://0xa000005/",
            "http://167772165/",
            "http://[::ffff:10.0.0.5]/",
            "http://127.0.0.1./",
            "http://192.168.0.1/",
            "http://[::1]/",
        ] {
            assert!(allows(&grant, url), "{url}");
        }
        for url in ["http://10.0.0.50/", "http://10.0.0/", "http://[::2]/"] {
            assert!(!allows(&grant, url), "{url}");
        }
    }

    #[test]
    fn a_disabled_one_wins_on_every_port() {
        let grant = grant(
            &["*.test:*", "10.0.0.5:*"],
            &["secret.test", "*.inner.test:81", "10.0.0.5"],
        );
        assert!(allows(&grant, "http://open.test/"));
        assert!(allows(&grant, "http://a.inner.test/"));
        for url in [
            "http://secret.test/",
            "http://Secret.test.:8080/",
            "http://a.inner.test:81/",
            "http://[::ffff:10.0.0.5]/",
        ] {
            assert!(!allows(&grant, url), "{url}");
        }
        assert!(grant.denies(&Host::Ipv4([10, 0, 0, 5].into()), 1));
        assert!(!grant.denies(&Host::Ipv4([10, 0, 0, 6].into()), 1));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "a.*",
            "*a.test",
            "*.*.test",
            "http://a.test",
            "a.test/x",
            "u@a.test",
            "a.test:",
            "a.test:0",
            "a.test:65536",
            "a.test:+80",
            "a.test:80:80",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "*.10.0.0.1",
            "*.[::1]",
            "a b",
            "a.test?x",
            "a#b",
            "a\\b",
            "a..b",
            ".a",
            "1.2.3.4.5",
            "256.0.0.1",
            "a%00b",
            ":80",
            "xn--a",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_allows_the_host_that_it_names_in_any_case(
            name in "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,3}", dot in "\\.?"
        ) {
            let grant = grant(&[&name.to_uppercase()], &[]);
            let url = format!("http://{name}{dot}/");
            prop_assert!(allows(&grant, &url));
            let url = format!("http://x{name}/");
            prop_assert!(!allows(&grant, &url));
        }

        #[test]
        fn only_subdomains_pass_a_wildcard(host in "[ab]{1,2}(\\.[ab]{1,2}){0,3}") {
            let grant = grant(&["*.a.b"], &[]);
            let url = format!("http://{host}/");
            prop_assert_eq!(allows(&grant, &url), host.ends_with(".a.b"));
        }

        #[test]
        fn any_text_is_a_pattern_or_refused(text in ".{0,24}") {
            let _ = Pattern::parse(&text);
        }
    }
}
