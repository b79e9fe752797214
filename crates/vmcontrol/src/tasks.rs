//! Operations in tasks and on threads of their own.

use tokio::task::JoinError;

use crate::{Error, Result};

/// Runs an operation in a task of its own, so that a caller who hangs up does not leave it half done.
pub(crate) async fn to_the_end<T: Send + 'static>(
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    joined(tokio::spawn(operation).await)
}

/// What a task came to; one that panicked is a bug of the service.
pub(crate) fn joined<T>(outcome: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    outcome.unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
}

/// Runs something that blocks off the async threads.
pub(crate) async fn blocking<T, E, F>(work: F) -> std::result::Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce() -> std::result::Result<T, E> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
