//! Which clients may send requests: programs of this machine, and web pages that the owner of the
//! daemon has allowed; no other web page.
//!
//! A page of any site can make a browser send requests to a loopback address. Headers that scripts
//! in a browser can't forge reveal such a request: `Host` names the site's own host if the name of
//! the site was made to point here (DNS rebinding), and `Origin` or `Sec-Fetch-Site` say where the
//! page is from.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, TRANSFER_ENCODING,
    VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts that are served, and the origins that may send requests.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// The values of `Host` that are served, in lower case.
    hosts: Vec<String>,
    /// The origins that are allowed besides the daemon's own, in lower case.
    origins: Vec<String>,
}

impl Guard {
    /// The guard of a daemon that listens on `address`; `None` for a socket in the file system, for
    /// which hosts have no port.
    pub(crate) fn new(
        address: Option<SocketAddr>,
        allowed_hosts: &[String],
        allowed_origins: &[String],
    ) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".into(), "[::1]".into()];
        let mut hosts = Vec::new();
        if let Some(address) = address {
            let port = address.port();
            hosts.extend(names.iter().map(|name| format!("{name}:{port}")));
            hosts.push(address.to_string());
        }
        if address.is_none_or(|address| address.port() == 80) {
            hosts.extend(names);
        }
        hosts.extend(allowed_hosts.iter().map(|host| host.to_ascii_lowercase()));
        Self {
            hosts,
            origins: allowed_origins
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Checks that a request names a host that is served.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = only(headers, &HOST).ok_or(ApiError::ForbiddenHost)?;
        // A target that is a whole URL names a host as well. By HTTP that one counts, so both must
        // be the same.
        let is_same = uri
            .authority()
            .is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(&host));
        if is_same && self.hosts.contains(&host) {
            Ok(())
        } else {
            Err(ApiError::ForbiddenHost)
        }
    }

    /// The allowed foreign origin that a request comes from; `None` if it comes from a program or
    /// from the daemon's own origin.
    fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
        // An old browser sends no `Sec-Fetch-Site`, but sends `Origin` with every request that can
        // change something.
        let site = if headers.contains_key(SEC_FETCH_SITE) {
            // No browser sends the header twice.
            Some(only(headers, &SEC_FETCH_SITE).ok_or(ApiError::ForbiddenOrigin)?)
        } else {
            None
        };
        if !headers.contains_key(ORIGIN) {
            return match site.as_deref() {
                None | Some("same-origin" | "none") => Ok(None),
                Some(_) => Err(ApiError::ForbiddenOrigin),
            };
        }
        let origin = only(headers, &ORIGIN).ok_or(ApiError::ForbiddenOrigin)?;
        if self.origins.contains(&origin) {
            return Ok(headers.get(ORIGIN).cloned());
        }
        let is_own = origin
            .strip_prefix("http://")
            .is_some_and(|host| self.hosts.iter().any(|own| own == host));
        if is_own {
            Ok(None)
        } else {
            Err(ApiError::ForbiddenOrigin)
        }
    }
}

/// Refuses a body whose end a proxy might see at another position. The HTTP library reads a body in
/// chunks if its last coding is `chunked`, whatever the codings before it, and refuses by itself a
/// body that it can't frame.
fn check_framing(headers: &HeaderMap) -> Result<(), ApiError> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if only(headers, &TRANSFER_ENCODING).is_none_or(|coding| coding.trim() != "chunked") {
        return Err(ApiError::Framing(
            "the only Transfer-Encoding that is taken is chunked, once",
        ));
    }
    Ok(())
}

/// The value of a header in lower case; `None` unless the header is there exactly once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.to_ascii_lowercase();
    values.next().is_none().then_some(value)
}

/// Refuses requests of foreign pages, and answers browsers that ask whether a page is allowed.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let allowed = check_framing(headers)
        .and_then(|()| guard.check_host(request.uri(), headers))
        .and_then(|()| guard.check_origin(headers));
    let origin = match allowed {
        Ok(origin) => origin,
        Err(error) => return error.into_response(),
    };
    let is_preflight =
        request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    match origin {
        Some(origin) if is_preflight => allow(origin, preflight()),
        Some(origin) => allow(origin, next.run(request).await),
        None => next.run(request).await,
    }
}

/// The answer to a preflight request.
fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PATCH, DELETE"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, last-event-id, x-request-id"),
    );
    response
}

/// Adds to an answer that pages of `origin` may read it.
fn allow(origin: HeaderValue, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("link, x-request-id"),
    );
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(
            Some("127.0.0.1:3210".parse().expect("an address")),
            &["Box.local:3210".to_owned()],
            &["https://console.example/".to_owned()],
        )
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn own() -> Uri {
        Uri::from_static("/api/v1/health")
    }

    #[test]
    fn a_request_must_name_one_host_that_is_served() {
        for host in [
            "localhost:3210",
            "LOCALHOST:3210",
            "127.0.0.1:3210",
            "[::1]:3210",
            "box.local:3210",
        ] {
            assert!(
                guard()
                    .check_host(&own(), &headers(&[("host", host)]))
                    .is_ok(),
                "{host}"
            );
        }
        for host in [
            "",
            "localhost",
            "localhost:80",
            "evil.example",
            "evil.example:3210",
        ] {
            assert!(
                guard()
                    .check_host(&own(), &headers(&[("host", host)]))
                    .is_err(),
                "{host}"
            );
        }
        assert!(guard().check_host(&own(), &headers(&[])).is_err());
        let twice = headers(&[("host", "localhost:3210"), ("host", "localhost:3210")]);
        assert!(guard().check_host(&own(), &twice).is_err());
    }

    #[test]
    fn a_target_that_is_a_url_must_name_the_host_of_the_request() {
        let is_served = |uri: &'static str, host: &'static str| {
            let uri = Uri::from_static(uri);
            guard()
                .check_host(&uri, &headers(&[("host", host)]))
                .is_ok()
        };
        assert!(is_served("http://localhost:3210/a", "localhost:3210"));
        assert!(is_served("http://LOCALHOST:3210/a", "localhost:3210"));
        for uri in [
            "http://evil.example/a",
            "http://evil.example:3210/a",
            "http://localhost/a",
            "http://a@localhost:3210/a",
            "http://127.0.0.1:3210/a",
            "evil.example:443",
        ] {
            assert!(!is_served(uri, "localhost:3210"), "{uri}");
        }
        assert!(!is_served("http://localhost:3210/a", "evil.example"));
    }

    #[test]
    fn a_body_is_framed_in_one_way() {
        let check = |values: &[&'static str]| {
            let pairs: Vec<_> = values
                .iter()
                .map(|value| ("transfer-encoding", *value))
                .collect();
            check_framing(&headers(&pairs)).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&["chunked"]));
        assert!(check(&["Chunked"]));
        for values in [
            &["gzip, chunked"] as &[_],
            &["identity, chunked"],
            &["chunked, chunked"],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &[", chunked"],
            &["xchunked"],
            &[""],
        ] {
            assert!(!check(values), "{values:?}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_they_are_allowed() {
        fn check(pairs: &[(&'static str, &'static str)]) -> Result<Option<HeaderValue>, ApiError> {
            guard().check_origin(&headers(pairs))
        }
        assert!(matches!(check(&[]), Ok(None)));
        assert!(matches!(
            check(&[("origin", "http://localhost:3210")]),
            Ok(None)
        ));
        assert!(matches!(
            check(&[("origin", "https://console.example")]),
            Ok(Some(_))
        ));
        for origin in [
            "null",
            "http://localhost:3211",
            "https://localhost:3210",
            "http://evil.example",
        ] {
            assert!(check(&[("origin", origin)]).is_err(), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "none, cross-site", "other"] {
            assert!(check(&[("sec-fetch-site", site)]).is_err(), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(check(&[("sec-fetch-site", site)]).is_ok(), "{site}");
            let twice = [("sec-fetch-site", site), ("sec-fetch-site", site)];
            assert!(check(&twice).is_err(), "{site}");
            let own = [("origin", "http://localhost:3210"), twice[0], twice[1]];
            assert!(check(&own).is_err(), "{site}");
        }
    }
}
