//! Ctrl-C while an execution is waited for.

use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;
use vmclient::{Client, Error};

use crate::failure::{Failure, say_note};

/// How long to wait before an execution is cancelled again that has not begun yet.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Something under way.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What was waited for, and whether somebody asked for it to end.
pub(crate) struct Awaited<T> {
    /// The outcome.
    pub outcome: T,
    /// Whether Ctrl-C was pressed.
    pub interrupted: bool,
}

/// Waits for something that the end of an execution brings about. The first Ctrl-C cancels the execution, and its end is
/// still waited for; the second ends the waiting.
///
/// # Errors
/// Those of `work`, those of cancelling, and [`Failure::Interrupted`].
pub(crate) async fn wait<T>(
    work: impl Future<Output = Result<T, Failure>>,
    execution: Uuid,
    client: &Client,
) -> Result<Awaited<T>, Failure> {
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut work = pin!(work);
    let mut interrupted = false;
    let mut cancelling: Option<Boxed<'_, Result<(), Error>>> = None;
    loop {
        tokio::select! {
            outcome = &mut work => {
                return Ok(Awaited { outcome: outcome?, interrupted });
            }
            _ = interrupts.recv() => {
                if std::mem::replace(&mut interrupted, true) {
                    say_note(&format!(
                        "It goes on. To follow it: vm-system exec events {execution} --follow"
                    ));
                    return Err(Failure::ctrl_c());
                }
                cancelling = Some(Box::pin(cancel(execution, client)));
                say_note("Cancelling the execution; Ctrl-C again leaves it to itself");
            }
            cancelled = done(&mut cancelling) => {
                cancelling = None;
                cancelled?;
            }
        }
    }
}

/// Waits for something that may not be there.
async fn done<T>(work: &mut Option<Boxed<'_, T>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// Cancels an execution, also one whose request is still on its way.
async fn cancel(execution: Uuid, client: &Client) -> Result<(), Error> {
    loop {
        match client.cancel(execution).await {
            Ok(_) => return Ok(()),
            Err(Error::Api { status: 404, .. }) => tokio::time::sleep(AGAIN_AFTER).await,
            Err(error) => return Err(error),
        }
    }
}
