//! One request: sending it, and reading its answer or its error.

use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use vmapi_types::{ErrorCode, ErrorEnvelope, RawJson};

use crate::Error;

/// The length of the excerpt of a response that is not the API's, in characters.
const EXCERPT_CHARS: usize = 120;

/// A request that is ready to be sent: `.await` sends it and returns the answer as a `T`.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T> {
    request: Result<RequestBuilder, Error>,
    daemon: Arc<str>,
    is_repeatable: bool,
    answer: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    pub(crate) fn new(request: Result<RequestBuilder, Error>, daemon: Arc<str>) -> Self {
        Self {
            request,
            daemon,
            is_repeatable: false,
            answer: PhantomData,
        }
    }

    /// The same call, marked as idempotent: if its connection breaks, it is sent a second time.
    pub(crate) fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The same call; its answer is the JSON text as the daemon wrote it.
    pub fn raw(self) -> Call<RawJson> {
        Call {
            request: self.request,
            daemon: self.daemon,
            is_repeatable: self.is_repeatable,
            answer: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Sends the request and reads the answer; equivalent to `.await` on the call.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon refuses the request, another [`Error`] if it can't be reached
    /// or its answer can't be read.
    pub async fn send(self) -> Result<T, Error> {
        let request = self.request?;
        let retry = self.is_repeatable.then(|| request.try_clone()).flatten();
        let body = match (send_for_body(request, &self.daemon).await, retry) {
            (Err(broken @ Error::Interrupted { .. }), Some(retry)) => {
                // If the daemon is gone, or has restarted without its sessions, the first error
                // tells more than the second.
                send_for_body(retry, &self.daemon)
                    .await
                    .map_err(|error| match error {
                        Error::Unreachable { .. } => broken,
                        Error::Api { code, .. } if code == ErrorCode::SessionNotReady.as_str() => {
                            broken
                        }
                        error => error,
                    })
            }
            (body, _) => body,
        }?;
        serde_json::from_slice(&body).map_err(|error| Error::Protocol {
            url: self.daemon.to_string(),
            reason: format!("{error} in {}", excerpt(&body)),
        })
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Sends a request and returns the response's body, or the error that the daemon answers with.
async fn send_for_body(
    request: RequestBuilder,
    daemon: &str,
) -> Result<impl Deref<Target = [u8]> + use<>, Error> {
    let response = send_checked(request, daemon).await?;
    let body = response.bytes().await;
    body.map_err(|error| Error::transport(daemon, error))
}

/// Sends a request and returns the response with its body unread, or the error that the daemon
/// answers with.
pub(crate) async fn send_checked(request: RequestBuilder, daemon: &str) -> Result<Response, Error> {
    let transport = |error| Error::transport(daemon, error);
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(transport)?;
    Err(refusal(daemon, status, &body))
}

/// The error of a response whose status is not a success.
fn refusal(daemon: &str, status: StatusCode, body: &[u8]) -> Error {
    match serde_json::from_slice::<ErrorEnvelope>(body) {
        Ok(ErrorEnvelope { error }) => Error::Api {
            status: status.as_u16(),
            code: error.code,
            message: error.message,
            details: error.details,
        },
        Err(_) => Error::Protocol {
            url: daemon.to_owned(),
            reason: format!("status {status} with {}", excerpt(body)),
        },
    }
}

pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if text.trim().is_empty() {
        return "an empty body".into();
    }
    let mut start: String = text.trim().chars().take(EXCERPT_CHARS).collect();
    if start.len() < text.trim().len() {
        start.push('…');
    }
    format!("{start:?}")
}
