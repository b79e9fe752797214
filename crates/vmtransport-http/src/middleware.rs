//! The layer around every request: its id, its line in the access log, and the answer if its
//! handler panics.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;
use vmcontrol::Error;

use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The largest length of a request id that is accepted from a client, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Gives a request its id, adds the id to the answer, and logs the answered request.
pub(crate) async fn request_context(request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|id| is_acceptable(id))
        .cloned()
        .unwrap_or_else(new_id);
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let answered = caught(next.run(request)).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|| {
        let panicked = Error::internal("the handler of a request panicked");
        ApiError::from(panicked).into_response()
    });
    response.headers_mut().insert(REQUEST_ID, id);
    span.in_scope(|| {
        tracing::info!(
            %method,
            path,
            status = response.status().as_u16(),
            ms = started.elapsed().as_secs_f64() * 1e3,
            "answered"
        );
    });
    response
}

/// The answer of a handler; `None` if it panicked, after which it is not polled again. The panic
/// hook has logged the panic.
async fn caught(answer: impl Future<Output = Response>) -> Option<Response> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

/// Whether a request id of a client is accepted.
fn is_acceptable(id: &HeaderValue) -> bool {
    !id.is_empty()
        && id.len() <= MAX_REQUEST_ID_BYTES
        && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn new_id() -> HeaderValue {
    HeaderValue::try_from(Uuid::new_v4().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::caught;

    #[tokio::test]
    async fn a_handler_that_panics_gives_no_answer() {
        let answer = caught(async { axum::response::Response::new(Body::empty()) });
        assert!(answer.await.is_some());
        let panicked = caught(async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        });
        assert!(panicked.await.is_none());
    }
}
