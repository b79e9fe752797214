//! Waiting for a signal that requests the end of a command.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Registers handlers for these signals, which no longer end the process from then on. The returned
/// future is ready when the first of them arrives, and gives its kind.
///
/// # Errors
/// When a handler can't be registered.
pub(crate) fn first_of(
    kinds: &[SignalKind],
) -> Result<impl Future<Output = SignalKind> + use<>, Failure> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    for &kind in kinds {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() && sender.send(kind).await.is_ok() {}
        });
    }
    Ok(async move {
        match receiver.recv().await {
            Some(kind) => kind,
            // No signal can arrive any more.
            None => std::future::pending().await,
        }
    })
}
