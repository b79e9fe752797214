//! Bodies that were not read to their end when the answer was made: of routes that take none, of requests that are refused.
//!
//! HTTP/1.1 has no way to go on behind them: hyper hangs up after the answer, and does not say so in it. A client that keeps its
//! connections would lose the request that it sends next, and one that is still sending may meet a reset in place of
//! the answer. So the rest is read and thrown away first, within bounds; beyond them the answer says that the connection
//! ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use crate::extract::BODY_TIMEOUT;

/// How much is thrown away for the sake of an answer, in bytes.
const MAX_THROWN_AWAY: usize = 64 * 1024 * 1024;

/// Answers a request, and reads what its client still sends.
pub(crate) async fn read_to_end(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // As long as for a body that somebody reads: what has not come by then is not waited for.
    let deadline = Instant::now() + BODY_TIMEOUT;
    let expects = request.headers().contains_key(EXPECT);
    let unread = Slot::default();
    let lent = |body| Body::new(Lent::new(body, Arc::clone(&unread)));
    let mut response = next.run(request.map(lent)).await;
    let rest = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Unread { body, is_begun }) = rest else {
        return response;
    };
    // A client that waits to be told to go on is answered instead, and sends nothing.
    let is_at_end = (is_begun || !expects)
        && timeout_at(deadline, throw_away(body, MAX_THROWN_AWAY))
            .await
            .unwrap_or(false);
    if !is_at_end {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Reads a body; says whether it came to its end within `most` bytes.
async fn throw_away(mut body: Body, most: usize) -> bool {
    let mut bytes = 0;
    while bytes <= most {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        match frame {
            None => return true,
            Some(Err(_)) => return false,
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
        }
    }
    false
}

/// Where a body comes back to.
type Slot = Arc<Mutex<Option<Unread>>>;

/// What is left of a body.
struct Unread {
    body: Body,
    /// Whether any of it was asked for.
    is_begun: bool,
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    unread: Option<Unread>,
    slot: Slot,
}

impl Lent {
    fn new(body: Body, slot: Slot) -> Self {
        let unread = Some(Unread {
            body,
            is_begun: false,
        });
        Self { unread, slot }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(unread) = &mut self.unread else {
            return Poll::Ready(None);
        };
        unread.is_begun = true;
        let frame = ready!(Pin::new(&mut unread.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.unread = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let unread = self.unread.as_ref();
        unread.is_none_or(|unread| unread.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let unread = self.unread.as_ref();
        unread.map_or_else(|| SizeHint::with_exact(0), |unread| unread.body.size_hint())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unread = self.unread.take();
        let unread = unread.filter(|unread| !unread.body.is_end_stream());
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_thrown_away_up_to_a_bound() {
        assert!(throw_away(Body::from("12345"), 5).await);
        assert!(!throw_away(Body::from("123456"), 5).await);
        assert!(throw_away(Body::empty(), 5).await);
    }

    #[tokio::test]
    async fn a_body_comes_back_unless_it_was_read_to_its_end() {
        let slot = Slot::default();
        drop(Lent::new(Body::from("1"), Arc::clone(&slot)));
        let back = slot.lock().unwrap().take().unwrap();
        assert!(!back.is_begun);
        let read = Body::new(Lent::new(back.body, Arc::clone(&slot)));
        assert_eq!(axum::body::to_bytes(read, 5).await.unwrap(), "1");
        assert!(slot.lock().unwrap().is_none());
    }
}
