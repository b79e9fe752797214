//! The memory of request bodies, which is bounded for all requests together.
//!
//! A request is charged for the bytes of its body that have arrived, until the request is answered.
//! A body of at most [`SMALL_BODY_BYTES`] is not charged: all connections together can have small
//! bodies at any time, even if large ones fill the budget.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use vmcontrol::{Budget, Lease};

use crate::error::ApiError;

/// How long a client may take to send a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The memory of all large bodies together, in bytes.
const BODIES_BYTES: usize = 64 * 1024 * 1024;

/// The largest size of a body that is not charged, in bytes.
const SMALL_BODY_BYTES: usize = 64 * 1024;

/// The step in which the share of a body grows, in bytes.
const STEP_BYTES: usize = 256 * 1024;

/// The bounds on request bodies.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    /// The memory of all large bodies together.
    budget: Budget,
    /// The largest size of one body, in bytes.
    max_bytes: usize,
}

impl Bodies {
    /// Bounds each body to `max_bytes` bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            budget: Budget::new(BODIES_BYTES.max(max_bytes)),
            max_bytes,
        }
    }
}

/// The share of the memory that one request has for its body.
#[derive(Clone, Debug)]
pub(crate) struct BodyShare {
    bodies: Bodies,
    /// What the request is charged for.
    lease: Arc<Mutex<Lease>>,
}

/// Gives a request its share of the memory for bodies, and takes the share back when the request is
/// answered.
pub(crate) async fn share(
    State(bodies): State<Bodies>,
    mut request: Request,
    next: Next,
) -> Response {
    let share = BodyShare {
        bodies,
        lease: Arc::default(),
    };
    request.extensions_mut().insert(share.clone());
    let response = next.run(request).await;
    drop(share);
    response
}

impl BodyShare {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// If the body is too large, if there is no memory left for it, or if it can't be read.
    pub(crate) async fn read(&self, mut body: Body) -> Result<Vec<u8>, ApiError> {
        // A client that sends `Expect: 100-continue` is refused before it sends anything.
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        self.check_size(declared)?;
        let (mut bytes, mut room) = (Vec::new(), SMALL_BODY_BYTES);
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|error| {
                ApiError::InvalidRequest(format!("the body can't be read: {error}"))
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            self.check_size(length)?;
            while length > room {
                self.grow()?;
                room += STEP_BYTES;
            }
            if length > bytes.capacity() {
                // The buffer grows to no more than the request is charged for.
                let expected = declared.max(2 * length).clamp(length, room);
                bytes.reserve_exact(expected - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }

    fn check_size(&self, bytes: usize) -> Result<(), ApiError> {
        if bytes > self.bodies.max_bytes {
            return Err(ApiError::BodyTooLarge);
        }
        Ok(())
    }

    /// Charges the request for another step.
    fn grow(&self) -> Result<(), ApiError> {
        let more = self.bodies.budget.try_take(STEP_BYTES);
        let more = more.ok_or(ApiError::BodiesFull)?;
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.add(more);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(bodies: &Bodies) -> BodyShare {
        BodyShare {
            bodies: bodies.clone(),
            lease: Arc::default(),
        }
    }

    #[tokio::test]
    async fn large_bodies_fill_the_budget_and_small_ones_are_read_even_then() {
        let bodies = Bodies::new(BODIES_BYTES);
        let (first, second) = (share_of(&bodies), share_of(&bodies));
        let large = || Body::from(vec![b' '; BODIES_BYTES / 2 + STEP_BYTES]);
        assert!(first.read(large()).await.is_ok());
        let refused = second.read(large()).await;
        assert!(matches!(refused, Err(ApiError::BodiesFull)));
        drop(second);
        let small = vec![b' '; SMALL_BODY_BYTES];
        let read = share_of(&bodies).read(Body::from(small.clone())).await;
        assert_eq!(read.ok(), Some(small));
        drop(first);
        assert!(share_of(&bodies).read(large()).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_takes_no_more_room_than_it_is_charged_for() {
        let bodies = Bodies::new(BODIES_BYTES);
        for length in [0, 1, SMALL_BODY_BYTES, SMALL_BODY_BYTES + 1, 3 * STEP_BYTES] {
            let bytes = share_of(&bodies).read(Body::from(vec![b' '; length])).await;
            let Ok(bytes) = bytes else {
                panic!("there is room");
            };
            assert_eq!(bytes.len(), length);
            assert!(bytes.capacity() <= SMALL_BODY_BYTES.max(length + STEP_BYTES));
        }
        let refused = share_of(&Bodies::new(10))
            .read(Body::from(vec![b' '; 11]))
            .await;
        assert!(matches!(refused, Err(ApiError::BodyTooLarge)));
    }
}
