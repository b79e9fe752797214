//! Drains the body of a request that was answered before its body was read to the end: of a route
//! that takes no body, or of a request that was refused.
//!
//! On an HTTP/1.1 connection no request can follow a body that was not read: hyper closes the
//! connection after the answer, without saying so in the answer. A client that keeps its
//! connections would lose its next request, and a client that is still sending could get a reset
//! instead of the answer. So the rest of the body is read and discarded first, within bounds. If
//! the body exceeds the bounds or is not valid HTTP, the answer has `Connection: close`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use crate::bodies::BODY_TIMEOUT;

/// The smallest bound on the bytes that are discarded of one body.
const MIN_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// How long an answer waits for the next bytes of a body. The time is shorter than the one that a
/// stopping daemon gives its answers.
const PAUSE: Duration = Duration::from_secs(1);

/// How many bytes of one body are discarded at most, if bodies may have `max_body_bytes`.
pub(crate) fn bound(max_body_bytes: usize) -> usize {
    max_body_bytes.max(MIN_DISCARDED_BYTES)
}

/// Answers a request, and discards up to `most` bytes of its body that were not read.
pub(crate) async fn read_to_end(
    State(most): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // The same time as for a body that a handler reads.
    let deadline = Instant::now() + BODY_TIMEOUT;
    let expects = request.headers().contains_key(EXPECT);
    let slot = Slot::default();
    let lend = |body| Body::new(Lent::new(body, Arc::clone(&slot)));
    let mut response = next.run(request.map(lend)).await;
    let rest = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
    let is_at_end = match rest {
        Left::Nothing => true,
        Left::Broken => false,
        // The client waits for `100 Continue`. It gets the answer instead, and sends no body.
        Left::Body { is_begun, .. } if expects && !is_begun => false,
        Left::Body { body, .. } => discard(body, most, deadline).await,
    };
    if !is_at_end {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Reads a body and discards it. Returns whether the body ended within `most` bytes, without a
/// pause of more than [`PAUSE`], and before the deadline.
async fn discard(mut body: Body, most: usize, deadline: Instant) -> bool {
    let mut bytes = 0;
    while bytes <= most {
        let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match timeout_at(deadline.min(Instant::now() + PAUSE), next).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
    false
}

/// Where a [`Lent`] body is put when it is dropped.
type Slot = Arc<Mutex<Left>>;

/// What is left of a body.
#[derive(Default)]
enum Left {
    /// The body was read to its end.
    #[default]
    Nothing,
    /// The body is not valid HTTP, so that its end is unknown.
    Broken,
    /// The body, or the rest of it.
    Body {
        body: Body,
        /// Whether a handler asked for any of the body.
        is_begun: bool,
    },
}

/// A body that is lent to a handler: when it is dropped, what is left of it is put into the slot.
struct Lent {
    left: Left,
    slot: Slot,
}

impl Lent {
    fn new(body: Body, slot: Slot) -> Self {
        let left = Left::Body {
            body,
            is_begun: false,
        };
        Self { left, slot }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Left::Body { body, is_begun } = &mut self.left else {
            return Poll::Ready(None);
        };
        *is_begun = true;
        let frame = ready!(Pin::new(body).poll_frame(context));
        match frame {
            None => self.left = Left::Nothing,
            Some(Err(_)) => self.left = Left::Broken,
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.left {
            Left::Body { body, .. } => body.is_end_stream(),
            Left::Nothing | Left::Broken => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.left {
            Left::Body { body, .. } => body.size_hint(),
            Left::Nothing | Left::Broken => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let left = match std::mem::take(&mut self.left) {
            Left::Body { body, .. } if body.is_end_stream() => Left::Nothing,
            left => left,
        };
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_discarded_up_to_a_bound() {
        let deadline = Instant::now() + BODY_TIMEOUT;
        assert!(discard(Body::from("12345"), 5, deadline).await);
        assert!(!discard(Body::from("123456"), 5, deadline).await);
        assert!(discard(Body::empty(), 5, deadline).await);
    }

    #[tokio::test]
    async fn a_body_comes_back_unless_it_was_read_to_its_end() {
        let slot = Slot::default();
        drop(Lent::new(Body::from("1"), Arc::clone(&slot)));
        let back = std::mem::take(&mut *slot.lock().unwrap());
        let Left::Body { body, is_begun } = back else {
            panic!("no handler has read it");
        };
        assert!(!is_begun);
        let read = Body::new(Lent::new(body, Arc::clone(&slot)));
        assert_eq!(axum::body::to_bytes(read, 5).await.unwrap(), "1");
        assert!(matches!(*slot.lock().unwrap(), Left::Nothing));
    }
}
