use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use vmapi_types::{ErrorEnvelope, RawJson};

use crate::Error;

/// How much of an answer that nobody understands is shown, in characters.
const EXCERPT_CHARS: usize = 120;

/// A request that is ready to go: `.await` sends it and gives the answer as a `T`.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<T> {
    request: Result<RequestBuilder, Error>,
    daemon: Arc<str>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    pub(crate) fn new(request: Result<RequestBuilder, Error>, daemon: Arc<str>) -> Self {
        Self {
            request,
            daemon,
            answer: PhantomData,
        }
    }

    /// The same call, answered with the JSON text as the daemon wrote it.
    pub fn raw(self) -> Call<RawJson> {
        Call::new(self.request, self.daemon)
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Sends the request and reads the answer; the same as `.await` on the call.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon says no, another [`Error`] if there is no daemon to say anything.
    pub async fn send(self) -> Result<T, Error> {
        let response = accepted(self.request?, &self.daemon).await?;
        let body = response.bytes().await;
        let body = body.map_err(|error| Error::transport(&self.daemon, error))?;
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

/// Sends a request; gives the answer, whose body is still to be read, if the daemon did not refuse.
pub(crate) async fn accepted(request: RequestBuilder, daemon: &str) -> Result<Response, Error> {
    let transport = |error| Error::transport(daemon, error);
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.map_err(transport)?;
    Err(refusal(daemon, status, &body))
}

/// The error of an answer that is not a success.
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

fn excerpt(body: &[u8]) -> String {
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
