//! Bodies that were not read to their end when the answer was made: of routes that take none, of requests that are refused.
//!
//! HTTP/1.1 has no way to go on behind them: hyper hangs up after the answer, and does not say so in it. A client that keeps its
//! connections would lose the request that it sends next, and one that is still sending may meet a reset in place of
//! the answer. So the rest is read and thrown away first, within bounds; beyond them, and where the body is no HTTP, the answer
//! says that the connection ends.

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

use crate::extract::BODY_TIMEOUT;

/// How much is thrown away for the sake of an answer at least, in bytes.
const THROWN_AWAY: usize = 64 * 1024 * 1024;

/// How long an answer waits while nothing comes: less than a daemon that stops waits for its answers to be taken.
const PAUSE: Duration = Duration::from_secs(1);

/// How much is thrown away where a body may be so large, in bytes.
pub(crate) fn bound(max_body_bytes: usize) -> usize {
    max_body_bytes.max(THROWN_AWAY)
}

/// Answers a request, and reads up to `most` bytes of what its client still sends.
pub(crate) async fn read_to_end(
    State(most): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // As long as for a body that somebody reads.
    let deadline = Instant::now() + BODY_TIMEOUT;
    let expects = request.headers().contains_key(EXPECT);
    let slot = Slot::default();
    let lend = |body| Body::new(Lent::new(body, Arc::clone(&slot)));
    let mut response = next.run(request.map(lend)).await;
    let rest = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
    let is_at_end = match rest {
        Left::Nothing => true,
        Left::Broken => false,
        // A client that waits to be told to go on is answered instead, and sends nothing.
        Left::Body { is_begun, .. } if expects && !is_begun => false,
        Left::Body { body, .. } => throw_away(body, most, deadline).await,
    };
    if !is_at_end {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Reads a body; says whether it came to its end within `most` bytes, without a long pause and before the deadline.
async fn throw_away(mut body: Body, most: usize, deadline: Instant) -> bool {
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

/// Where a body comes back to.
type Slot = Arc<Mutex<Left>>;

/// What is left of a body.
#[derive(Default)]
enum Left {
    /// It was read to its end.
    #[default]
    Nothing,
    /// Nobody can tell where it ends.
    Broken,
    /// It, or a part.
    Body {
        body: Body,
        /// Whether any of it was asked for.
        is_begun: bool,
    },
}

/// A body that comes back when it is dropped before its end.
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
    async fn a_body_is_thrown_away_up_to_a_bound() {
        let deadline = Instant::now() + BODY_TIMEOUT;
        assert!(throw_away(Body::from("12345"), 5, deadline).await);
        assert!(!throw_away(Body::from("123456"), 5, deadline).await);
        assert!(throw_away(Body::empty(), 5, deadline).await);
    }

    #[tokio::test]
    async fn a_body_comes_back_unless_it_was_read_to_its_end() {
        let slot = Slot::default();
        drop(Lent::new(Body::from("1"), Arc::clone(&slot)));
        let back = std::mem::take(&mut *slot.lock().unwrap());
        let Left::Body { body, is_begun } = back else {
            panic!("nobody has read it");
        };
        assert!(!is_begun);
        let read = Body::new(Lent::new(body, Arc::clone(&slot)));
        assert_eq!(axum::body::to_bytes(read, 5).await.unwrap(), "1");
        assert!(matches!(*slot.lock().unwrap(), Left::Nothing));
    }
}
