//! Who may call: programs of this machine and pages that the daemon's owner names, but no other web page.
//!
//! A page of any site can make a browser send requests to a loopback address. Two headers give it away, which scripts
//! in a browser can't forge: `Host`, which names the site's own host when its name was made to point here (DNS
//! rebinding), and `Origin` or `Sec-Fetch-Site`, which say where the page is from.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What requests must say of where they come from and go to.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// The values of `Host` that are served, in lower case.
    hosts: Vec<String>,
    /// The origins that are allowed beside the daemon's own, in lower case.
    origins: Vec<String>,
}

impl Guard {
    /// For a daemon that listens on `address`; nothing stands for a socket in the file system, where no port is named.
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

    fn check_host(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = only(headers, &HOST).ok_or(ApiError::ForbiddenHost)?;
        if self.hosts.contains(&host) {
            Ok(())
        } else {
            Err(ApiError::ForbiddenHost)
        }
    }

    /// The allowed foreign origin that a request comes from, if it does.
    fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
        if !headers.contains_key(ORIGIN) {
            // Old browsers send no `Sec-Fetch-Site`, but then send `Origin` with everything that changes something.
            let foreign = only(headers, &SEC_FETCH_SITE)
                .is_some_and(|site| site == "cross-site" || site == "same-site");
            return if foreign {
                Err(ApiError::ForbiddenOrigin)
            } else {
                Ok(None)
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

/// The value of a header that is there once, in lower case.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.to_ascii_lowercase();
    values.next().is_none().then_some(value)
}

/// Refuses requests of foreign pages, and tells browsers which pages are allowed.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let allowed = guard
        .check_host(headers)
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

    #[test]
    fn only_hosts_that_are_served_get_in_and_each_request_names_one() {
        for host in [
            "localhost:3210",
            "LOCALHOST:3210",
            "127.0.0.1:3210",
            "[::1]:3210",
            "box.local:3210",
        ] {
            assert!(
                guard().check_host(&headers(&[("host", host)])).is_ok(),
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
                guard().check_host(&headers(&[("host", host)])).is_err(),
                "{host}"
            );
        }
        assert!(guard().check_host(&headers(&[])).is_err());
        let twice = headers(&[("host", "localhost:3210"), ("host", "localhost:3210")]);
        assert!(guard().check_host(&twice).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_they_are_named() {
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
        for site in ["cross-site", "same-site"] {
            assert!(check(&[("sec-fetch-site", site)]).is_err(), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(check(&[("sec-fetch-site", site)]).is_ok(), "{site}");
        }
    }
}
