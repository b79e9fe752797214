//! The client of one daemon: its address, its token and the requests that it builds.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;

use crate::{Call, Error};

/// The limit for establishing a connection. A response has no such limit: an execution takes as
/// long as its template allows.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an unused connection stays in the pool. It is shorter than the daemon's own idle
/// timeout, so that no request meets a connection that the daemon closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The prefix of a daemon URL that is the path of a Unix socket.
const UNIX_PREFIX: &str = "unix:";

/// The base URL of requests over a Unix socket.
const UNIX_BASE: &str = "http://localhost";

/// A client of one daemon. Clones share one connection pool.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    token: Option<HeaderValue>,
    base: Url,
    /// The daemon's URL as it appears in error messages.
    shown: Arc<str>,
}

impl Client {
    /// A client of the daemon at `base_url`, like `http://127.0.0.1:3210` or
    /// `unix:/run/user/1000/vm-system.sock`. No request is sent yet. Proxy variables of the
    /// environment are ignored: the daemon runs on the same workstation.
    ///
    /// # Errors
    /// [`Error::BaseUrl`] if the text is neither an `http` URL nor `unix:` and a path,
    /// [`Error::Setup`] if the HTTP client can't be created.
    pub fn new(base_url: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BaseUrl {
            url: base_url.to_owned(),
            reason,
        };
        let socket = base_url.trim().strip_prefix(UNIX_PREFIX);
        let base = match socket {
            Some("") => return Err(bad("it names no socket".into())),
            Some(_) => parse_base(UNIX_BASE),
            None => parse_base(base_url),
        }
        .map_err(bad)?;
        // Other crates of the program enable TLS in `reqwest`, which then requires a crypto
        // provider. Installation fails if one is installed already; that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::none());
        if let Some(path) = socket {
            builder = builder.unix_socket(path);
        }
        let shown = match socket {
            Some(_) => base_url.trim(),
            None => base.as_str().trim_end_matches('/'),
        };
        Ok(Self {
            http: builder.build().map_err(Error::Setup)?,
            token: None,
            shown: shown.into(),
            base,
        })
    }

    /// The same client, which sends this bearer token with every request.
    ///
    /// # Errors
    /// [`Error::Token`] if the text contains characters that a header can't carry.
    pub fn with_token(self, token: &str) -> Result<Self, Error> {
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Self {
            token: Some(value),
            ..self
        })
    }

    /// The daemon's URL, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.shown
    }

    pub(crate) fn get<T>(&self, path: &[&str]) -> Call<T> {
        self.call(Method::GET, path, |request| request)
    }

    pub(crate) fn get_with<T>(&self, path: &[&str], query: &[(&str, String)]) -> Call<T> {
        self.call(Method::GET, path, |request| request.query(query))
    }

    pub(crate) fn post<T>(&self, path: &[&str], body: &impl Serialize) -> Call<T> {
        self.call(Method::POST, path, |request| request.json(body))
    }

    pub(crate) fn patch<T>(&self, path: &[&str], body: &impl Serialize) -> Call<T> {
        self.call(Method::PATCH, path, |request| request.json(body))
    }

    pub(crate) fn post_empty<T>(&self, path: &[&str]) -> Call<T> {
        self.call(Method::POST, path, |request| request)
    }

    pub(crate) fn delete<T>(&self, path: &[&str]) -> Call<T> {
        self.call(Method::DELETE, path, |request| request)
    }

    /// A `GET` request whose response the caller reads itself, and the daemon's URL for error
    /// messages.
    pub(crate) fn open(&self, path: &[&str]) -> Result<(RequestBuilder, Arc<str>), Error> {
        let request = self.request(Method::GET, path)?;
        Ok((request, Arc::clone(&self.shown)))
    }

    fn call<T>(
        &self,
        method: Method,
        path: &[&str],
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Call<T> {
        Call::new(
            self.request(method, path).map(finish),
            Arc::clone(&self.shown),
        )
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Error> {
        let request = self.http.request(method, self.endpoint(path)?);
        Ok(match &self.token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        })
    }

    fn endpoint(&self, path: &[&str]) -> Result<Url, Error> {
        // URL normalization drops such segments, so the request would go to another endpoint.
        if let Some(segment) = path
            .iter()
            .find(|segment| matches!(**segment, "" | "." | ".."))
        {
            return Err(Error::PathSegment((*segment).to_owned()));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["api", "v1"])
                .extend(path.iter());
        }
        Ok(url)
    }
}

fn parse_base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("it has to begin with http:// or unix:".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it can't have a query or a fragment".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(base: &str, path: &[&str]) -> String {
        let client = Client::new(base).unwrap();
        client.endpoint(path).unwrap().into()
    }

    #[test]
    fn slashes_at_the_end_of_the_base_do_not_matter() {
        let expected = "http://127.0.0.1:3210/api/v1/health";
        assert_eq!(endpoint("http://127.0.0.1:3210", &["health"]), expected);
        assert_eq!(endpoint("http://127.0.0.1:3210/", &["health"]), expected);
        assert_eq!(
            endpoint("http://gate:80/vm/", &["health"]),
            "http://gate/vm/api/v1/health"
        );
    }

    #[test]
    fn a_path_segment_can_hold_anything() {
        assert_eq!(
            endpoint("http://h", &["templates", "a/b?c#d %é"]),
            "http://h/api/v1/templates/a%2Fb%3Fc%23d%20%25%C3%A9"
        );
    }

    #[test]
    fn a_segment_that_a_url_drops_is_refused() {
        let client = Client::new("http://h").unwrap();
        for segment in ["", ".", ".."] {
            let error = client.endpoint(&["templates", segment]).unwrap_err();
            assert!(matches!(error, Error::PathSegment(text) if text == segment));
        }
    }

    #[test]
    fn a_bad_base_url_is_a_clear_error() {
        for (text, reason) in [
            ("127.0.0.1:3210", "relative URL without a base"),
            ("localhost:3210", "it has to begin with http:// or unix:"),
            ("https://localhost", "it has to begin with http:// or unix:"),
            ("unix:", "it names no socket"),
            ("http://", "empty host"),
            ("http://h:99999", "invalid port number"),
            ("http://h/?a=b", "it can't have a query or a fragment"),
        ] {
            let error = Client::new(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "\"{text}\" is not the URL of a daemon: {reason} (an example: http://127.0.0.1:3210)"
                )
            );
        }
    }
}
