//! Encoding and decoding of large JSON texts.
//!
//! This work is done by threads that may block, and a few at a time. On the threads of the
//! asynchronous runtime it would delay all other requests, and many such threads at once would
//! leave the runtime no processor.

use axum::http::StatusCode;
use tokio::sync::Semaphore;

/// How many large texts are encoded or decoded at once.
const AT_ONCE: usize = 2;

/// One permit for each large text that may be worked on now.
static FREE: Semaphore = Semaphore::const_new(AT_ONCE);

/// The largest size of a text that is encoded or decoded where it is needed, in bytes: that takes
/// less time than handing it to another thread.
pub(crate) const LARGE_BYTES: usize = vmcontrol::SMALL_ANSWER_BYTES;

/// Does work on a large text in a thread that may block, and returns its result.
///
/// # Errors
/// The status to answer with, if the work panicked.
pub(crate) async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StatusCode> {
    // The semaphore is never closed, so this does not fail.
    let _permit = FREE.acquire().await;
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a large text could not be encoded or decoded");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}
