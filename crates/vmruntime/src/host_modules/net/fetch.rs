//! One request of a script, with the redirects that follow it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::gate::Gate;
use super::{client, failure, headers};
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::arguments::text;
use crate::host_modules::broker::reply::unsent;
use crate::ipc::value::{self, Content, Span};
use crate::ipc::{HostCall, HostError, WHOLE};

/// The largest number of redirects that are followed; it is that of the Fetch standard.
const MAX_REDIRECTS: usize = 20;

/// The largest body of a request and of an answer, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The longest URL, in bytes. It is bounded because errors repeat it.
const MAX_URL_BYTES: usize = 64 * 1024;

/// A request as the script gives it. Texts and bytes are in the body of the call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    url: Content,
    method: Option<Content>,
    #[serde(default)]
    headers: Vec<(Content, Content)>,
    body: Option<Content>,
    #[serde(default)]
    redirect: Redirect,
    timeout_ms: Option<u64>,
}

/// A request with the texts and bytes that the script gave.
#[derive(Debug)]
pub(super) struct Request {
    url: String,
    method: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
    redirect: Redirect,
    timeout_ms: Option<u64>,
}

impl Given {
    /// Takes the texts and bytes out of the body of the call.
    ///
    /// # Errors
    /// When the body does not hold one of them.
    pub(super) fn read(self, call: &HostCall) -> Result<Request, HostError> {
        let owned = |given: &Content| text(call, given).map(str::to_owned);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| Ok((owned(name)?, owned(value)?)));
        let body = self.body.map(|body| {
            body.bytes(&call.body)
                .ok_or_else(|| invalid("fetch: body is a string or bytes".into()))
        });
        Ok(Request {
            url: owned(&self.url)?,
            method: self.method.as_ref().map(owned).transpose()?,
            headers: headers.collect::<Result<_, HostError>>()?,
            body: body.transpose()?,
            redirect: self.redirect,
            timeout_ms: self.timeout_ms,
        })
    }
}

fn invalid(message: String) -> HostError {
    HostError::with_code("ERR_INVALID_ARG_VALUE", message)
}

/// What happens to an answer that is a redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Redirect {
    /// A request to the new URL follows.
    #[default]
    Follow,
    /// The request fails.
    Error,
    /// The script gets the redirect.
    Manual,
}

/// The answer that the script gets.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    url: String,
    status: u16,
    status_text: String,
    headers: Vec<(String, String)>,
    body: Value,
    redirected: bool,
}

/// One HTTP request: the script's own, or one that follows a redirect.
struct Hop {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Option<Bytes>,
}

/// Makes a request.
///
/// # Errors
/// When the policy does not allow the request, or the network fails. An answer with an error status
/// is an answer.
pub(super) async fn fetch(
    gate: &Gate<'_>,
    request: Request,
    answering: &Answering,
) -> Result<Answer, HostError> {
    let (redirect, timeout_ms) = (request.redirect, request.timeout_ms);
    let first = first_hop(request)?;
    let url = first.url.clone();
    let fetched = follow(gate, first, redirect, answering);
    match timeout_ms {
        None => fetched.await,
        Some(timeout_ms) => tokio::time::timeout(Duration::from_millis(timeout_ms), fetched)
            .await
            .unwrap_or_else(|_| Err(failure::timed_out(&url, timeout_ms))),
    }
}

fn first_hop(request: Request) -> Result<Hop, HostError> {
    if request.url.len() > MAX_URL_BYTES {
        let message = format!("fetch: a URL has at most {MAX_URL_BYTES} bytes");
        return Err(HostError::with_code("ERR_INVALID_URL", message));
    }
    let mut url = Url::parse(&request.url).map_err(|error| {
        HostError::with_code(
            "ERR_INVALID_URL",
            format!("fetch: {:?} is not an absolute URL: {error}", request.url),
        )
    })?;
    url.set_fragment(None);
    let method = method_of(request.method.as_deref().unwrap_or("GET"))?;
    let body = request.body;
    if body.is_some() && matches!(method, Method::GET | Method::HEAD) {
        return Err(invalid(format!("fetch: a {method} request has no body")));
    }
    if body
        .as_ref()
        .is_some_and(|body| body.len() > MAX_BODY_BYTES)
    {
        return Err(too_large("the body of the request"));
    }
    Ok(Hop {
        url,
        method,
        headers: headers::of_request(&request.headers)?,
        body,
    })
}

fn method_of(text: &str) -> Result<Method, HostError> {
    let upper = text.to_ascii_uppercase();
    // The usual names may be in lower case; all others keep their case.
    let name = match upper.as_str() {
        "DELETE" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" => upper.as_str(),
        "CONNECT" | "TRACE" | "TRACK" => "",
        _ => text,
    };
    Method::from_bytes(name.as_bytes()).map_err(|_| {
        HostError::with_code(
            "ERR_INVALID_ARG_VALUE",
            format!("fetch: {text:?} is not a method that can be used"),
        )
    })
}

async fn follow(
    gate: &Gate<'_>,
    first: Hop,
    redirect: Redirect,
    answering: &Answering,
) -> Result<Answer, HostError> {
    let mut hop = first;
    for redirects in 0..=MAX_REDIRECTS {
        let response = send(gate, &hop).await?;
        let next = next_url(&response, &hop.url);
        match (next, redirect) {
            (Some(next), Redirect::Follow) => hop = hop.next(response.status(), next?),
            (Some(_), Redirect::Error) => {
                return Err(HostError::with_code(
                    "ERR_REDIRECT",
                    format!(
                        "fetch failed: {} redirects, and redirect is \"error\"",
                        hop.url
                    ),
                ));
            }
            (Some(_), Redirect::Manual) | (None, _) => {
                return answer_of(response, &hop, redirects > 0, answering).await;
            }
        }
    }
    Err(HostError::with_code(
        "ERR_TOO_MANY_REDIRECTS",
        format!(
            "fetch failed: more than {MAX_REDIRECTS} redirects, the last to {}",
            hop.url
        ),
    ))
}

async fn send(gate: &Gate<'_>, hop: &Hop) -> Result<reqwest::Response, HostError> {
    let host = gate.check(&hop.url).await?;
    let client = client::client()
        .await
        .map_err(|error| HostError::new(format!("fetch can't be used: {error}")))?;
    let mut request = client
        .request(hop.method.clone(), hop.url.clone())
        .headers(hop.headers.clone());
    if let Some(body) = &hop.body {
        request = request.body(body.clone());
    }
    client::send(request, host.name, host.addresses)
        .await
        .map_err(|error| failure::of_client(&error, &hop.url))
}

/// The URL that a redirect leads to; `None` if the answer is no redirect.
fn next_url(response: &reqwest::Response, from: &Url) -> Option<Result<Url, HostError>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let text = String::from_utf8_lossy(location.as_bytes());
    let next = from.join(&text).map(|mut next| {
        next.set_fragment(None);
        next
    });
    Some(next.map_err(|error| {
        HostError::with_code(
            "ERR_INVALID_URL",
            format!("fetch failed: {from} redirects to {text:?}, which is not a URL: {error}"),
        )
    }))
}

impl Hop {
    /// The request that follows a redirect, by the rules of the Fetch standard.
    fn next(mut self, status: StatusCode, url: Url) -> Self {
        let becomes_get = match status.as_u16() {
            301 | 302 => self.method == Method::POST,
            303 => !matches!(self.method, Method::GET | Method::HEAD),
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            headers::drop_content(&mut self.headers);
        }
        if self.url.origin() != url.origin() {
            headers::drop_credentials(&mut self.headers);
        }
        self.url = url;
        self
    }
}

async fn answer_of(
    mut response: reqwest::Response,
    hop: &Hop,
    redirected: bool,
    answering: &Answering,
) -> Result<Answer, HostError> {
    let status = response.status();
    let received = headers::of_answer(response.headers());
    let limit = MAX_BODY_BYTES as u64;
    if response
        .content_length()
        .is_some_and(|length| length > limit)
        && hop.method != Method::HEAD
    {
        return Err(too_large("the answer"));
    }
    let mut length = 0;
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failure::of_client(&error, &hop.url))?
    {
        length += chunk.len();
        if length > MAX_BODY_BYTES {
            return Err(too_large("the answer"));
        }
        let sent = answering.send(&[WHOLE], &chunk).await;
        sent.map_err(|error| unsent(&error))?;
    }
    Ok(Answer {
        url: hop.url.to_string(),
        status: status.as_u16(),
        status_text: status.canonical_reason().unwrap_or_default().to_owned(),
        headers: received,
        body: value::bytes_at(Span(WHOLE, 0, length)),
        redirected,
    })
}

fn too_large(what: &str) -> HostError {
    HostError::with_code(
        "EMSGSIZE",
        format!("fetch: {what} is larger than {MAX_BODY_BYTES} bytes"),
    )
}
