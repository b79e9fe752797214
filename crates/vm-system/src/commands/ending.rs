//! Being asked to end, by a signal.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Is ready when one of these signals comes, and says which. They no longer end the process from here on.
///
/// # Errors
/// When the system does not let them be heard.
pub(crate) fn asked_for(
    kinds: &[SignalKind],
) -> Result<impl Future<Output = SignalKind> + use<>, Failure> {
    let (said, mut heard) = tokio::sync::mpsc::channel(1);
    for &kind in kinds {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let said = said.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() && said.send(kind).await.is_ok() {}
        });
    }
    Ok(async move {
        match heard.recv().await {
            Some(kind) => kind,
            // There is none to come.
            None => std::future::pending().await,
        }
    })
}
