//! Ctrl-C while a command waits for an execution.

use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;
use vmclient::{Client, Error};

use crate::failure::{Failure, print_note};

/// The pause before a cancellation is repeated that came before the execution was known to the
/// daemon.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A pending future.
type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The outcome of an awaited execution, and whether the user interrupted it.
pub(crate) struct Awaited<T> {
    /// The outcome of the awaited future.
    pub outcome: T,
    /// Whether Ctrl-C was pressed.
    pub interrupted: bool,
}

/// Waits for `work`, which completes when the execution ends. The first Ctrl-C cancels the
/// execution and the wait continues; the second one ends the wait.
///
/// # Errors
/// The errors of `work` and of the cancellation, and [`Failure::Interrupted`] on the second Ctrl-C.
pub(crate) async fn wait<T>(
    work: impl Future<Output = Result<T, Failure>>,
    execution: Uuid,
    client: &Client,
) -> Result<Awaited<T>, Failure> {
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut work = pin!(work);
    let mut interrupted = false;
    let mut cancelling: Option<BoxedFuture<'_, Result<(), Error>>> = None;
    loop {
        tokio::select! {
            outcome = &mut work => {
                return Ok(Awaited { outcome: outcome?, interrupted });
            }
            _ = interrupts.recv() => {
                if std::mem::replace(&mut interrupted, true) {
                    print_note(&format!(
                        "It goes on. To follow it: vm-system exec events {execution} --follow"
                    ));
                    return Err(Failure::ctrl_c());
                }
                cancelling = Some(Box::pin(cancel(execution, client)));
                print_note("Cancelling the execution; Ctrl-C again leaves it to itself");
            }
            cancelled = wait_if_some(&mut cancelling) => {
                cancelling = None;
                cancelled?;
            }
        }
    }
}

/// Waits for an optional future; for ever if it is `None`.
async fn wait_if_some<T>(work: &mut Option<BoxedFuture<'_, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// Cancels an execution, even if the request that starts it has not reached the daemon yet.
async fn cancel(execution: Uuid, client: &Client) -> Result<(), Error> {
    loop {
        match client.cancel(execution).await {
            Ok(_) => return Ok(()),
            Err(Error::Api { status: 404, .. }) => tokio::time::sleep(RETRY_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}
