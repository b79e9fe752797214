//! Running operations in tasks of their own, and on threads that may block.

use tokio::task::JoinError;

use crate::{Error, Result};

/// Runs an operation in a task of its own, so that it ends even when its caller is dropped.
pub(crate) async fn to_the_end<T: Send + 'static>(
    operation: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    joined(tokio::spawn(operation).await)
}

/// The outcome of a task; a panic in it is a bug of the service.
pub(crate) fn joined<T>(outcome: std::result::Result<Result<T>, JoinError>) -> Result<T> {
    outcome.unwrap_or_else(|panic| Err(Error::Internal(Box::new(panic))))
}

/// Runs work that blocks on a thread that may. A panic in it goes on in the caller.
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
