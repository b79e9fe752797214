//! Work on large texts: it is done by threads that may block, a few at a time. On the runtime's own threads it would hold up
//! everybody, and with many at once there would be no processor left for them.

use axum::http::StatusCode;
use tokio::sync::Semaphore;

/// How many large texts are written or read at once.
const AT_ONCE: usize = 2;

static FREE: Semaphore = Semaphore::const_new(AT_ONCE);

/// From how many bytes on a text is large. One that is smaller takes less than to wake another thread and wait for it.
pub(crate) const LARGE_BYTES: usize = vmcontrol::SMALL_ANSWER_BYTES;

/// Does something that takes long, and gives what comes of it.
///
/// # Errors
/// The status to answer with when the work panicked.
pub(crate) async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StatusCode> {
    // Nobody closes the semaphore.
    let _permit = FREE.acquire().await;
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a large text could not be written or read");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}
