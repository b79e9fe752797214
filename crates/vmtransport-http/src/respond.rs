//! JSON answers. Large ones are encoded by threads that may block, count against the memory for
//! large answers, and must be received within a time that depends on their size.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes, HttpBody as Frames};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use serde::Serialize;
use tokio::time::Instant;
use vmcontrol::{Charged, Lease};

use crate::heavy::{LARGE_BYTES, heavy};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of a small answer: JSON with one newline at its end.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Body<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut bytes) => {
                bytes.push(b'\n');
                ([(header::CONTENT_TYPE, JSON)], bytes).into_response()
            }
            Err(error) => not_json(&error),
        }
    }
}

/// An answer `201` with what was created.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Body(self.0)).into_response()
    }
}

/// Makes an answer that may be large. A large one is encoded by a thread that may block, and holds
/// its lease until the client has received it.
pub(crate) async fn json<T: Serialize + Send + 'static>(found: Charged<T>) -> Response {
    let mut small = Small::default();
    match serde_json::to_writer(&mut small, &found.value) {
        Ok(()) => {
            small.bytes.push(b'\n');
            ([(header::CONTENT_TYPE, JSON)], small.bytes).into_response()
        }
        Err(error) if error.is_io() => {
            let Charged { value, lease } = found;
            let written = heavy(move || {
                serde_json::to_vec(&value).map(|mut bytes| {
                    bytes.push(b'\n');
                    bytes
                })
            });
            match written.await {
                Ok(Ok(bytes)) => large(bytes, lease),
                Ok(Err(error)) => not_json(&error),
                Err(status) => status.into_response(),
            }
        }
        Err(error) => not_json(&error),
    }
}

/// The largest number of items of a list that is encoded where it is needed.
const FEW: usize = 64;

/// Makes an answer with a list, of which `bytes` is the expected size. Each item is freed when it
/// is encoded.
pub(crate) async fn list<T: Serialize + Send + 'static>(
    items: Charged<Vec<T>>,
    bytes: usize,
) -> Response {
    let Charged { value, lease } = items;
    if value.len() <= FEW && bytes <= LARGE_BYTES {
        return Body(value).into_response();
    }
    match heavy(move || write_list(value, bytes)).await {
        Ok(Ok(bytes)) => large(bytes, lease),
        Ok(Err(error)) => not_json(&error),
        Err(status) => status.into_response(),
    }
}

/// Encodes a list; `bytes` is its expected size.
fn write_list<T: Serialize>(items: Vec<T>, bytes: usize) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes);
    text.push(b'[');
    for item in items {
        if text.len() > 1 {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &item)?;
    }
    text.extend_from_slice(b"]\n");
    Ok(text)
}

/// The answer if a value can't be encoded, which is a bug.
fn not_json(error: &serde_json::Error) -> Response {
    tracing::error!(%error, "an answer is not JSON");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// A buffer that refuses to grow beyond [`LARGE_BYTES`].
#[derive(Default)]
struct Small {
    bytes: Vec<u8>,
}

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > LARGE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes an answer from a large text.
fn large(bytes: Vec<u8>, mut lease: Lease) -> Response {
    lease.shrink_to(bytes.len());
    let body = HttpBody::new(Paced::new(held(bytes, lease)));
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// Bytes that hold a lease until the last of them has been written.
pub(crate) fn held<L: Send + Sync + 'static>(bytes: Vec<u8>, lease: L) -> Bytes {
    struct Held<L>(Vec<u8>, L);
    impl<L> AsRef<[u8]> for Held<L> {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Held(bytes, lease))
}

/// The time that a client has for a large answer of any size.
const GRACE: Duration = Duration::from_secs(20);

/// The rate at which a client must receive a large answer after [`GRACE`].
const SLOWEST_BYTES_PER_SECOND: usize = 64 * 1024;

/// The size of the frames that are handed to the connection, in bytes.
const FRAME_BYTES: usize = 64 * 1024;

/// How long a client may take to receive `bytes` of a large text, whose memory other answers wait
/// for.
pub(crate) fn time_for(bytes: usize) -> Duration {
    let seconds = bytes.div_ceil(SLOWEST_BYTES_PER_SECOND);
    GRACE + Duration::from_secs(seconds.try_into().unwrap_or(u64::MAX / 2))
}

/// A large body. It breaks off if its client takes too long to receive it.
struct Paced {
    /// What is still to be handed to the connection.
    left: Bytes,
    /// The number of bytes that were handed to the connection.
    taken: usize,
    /// When the body was made.
    began: Instant,
}

impl Paced {
    fn new(bytes: Bytes) -> Self {
        Self {
            left: bytes,
            taken: 0,
            began: Instant::now(),
        }
    }
}

impl Frames for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if self.began.elapsed() > time_for(self.taken) {
            let slow = "the client takes too long for a large answer";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, slow))));
        }
        let length = self.left.len().min(FRAME_BYTES);
        self.taken += length;
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use vmcontrol::Budget;

    use super::*;

    #[test]
    fn a_list_is_encoded_as_json() {
        let written = |items: Vec<u8>| String::from_utf8(write_list(items, 0).unwrap()).unwrap();
        assert_eq!(written(vec![]), "[]\n");
        assert_eq!(written(vec![1]), "[1]\n");
        assert_eq!(written(vec![1, 2]), "[1,2]\n");
    }

    #[tokio::test]
    async fn a_large_answer_is_charged_until_it_is_received() {
        let budget = Budget::new(1024 * 1024);
        let text = "x".repeat(2 * FRAME_BYTES);
        let found = Charged {
            lease: budget.try_take(1024 * 1024).expect("the budget is free"),
            value: text.clone(),
        };
        let mut body = json(found).await.into_body();
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64 + 3));
        assert!(budget.try_take(1024 * 1024).is_none());
        assert!(
            budget.try_take(800 * 1024).is_some(),
            "the lease has shrunk to the size of the answer"
        );
        let first = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        drop(body);
        assert!(
            budget.try_take(1024 * 1024).is_none(),
            "a frame is not written yet"
        );
        drop(first);
        assert!(budget.try_take(1024 * 1024).is_some());
    }

    #[test]
    fn a_larger_answer_may_take_longer() {
        assert_eq!(time_for(0), GRACE);
        let second = Duration::from_secs(1);
        assert_eq!(time_for(SLOWEST_BYTES_PER_SECOND), GRACE + second);
        assert!(time_for(usize::MAX) > GRACE + second);
    }
}
