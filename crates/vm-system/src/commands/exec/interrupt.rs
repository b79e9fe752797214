//! Ctrl-C while an execution is waited for.

use std::pin::pin;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use vmapi_types::{Execution, ExecutionStatus, RawJson};
use vmclient::{Call, Client};

use crate::failure::Failure;

/// How a call ended that was waited for.
pub(super) struct Awaited {
    /// The answer, as the daemon wrote it.
    pub(super) json: RawJson,
    /// Whether somebody asked for it to end.
    pub(super) interrupted: bool,
}

/// Waits for the end of an execution in a session. The first Ctrl-C cancels it, and its end is still waited for; the second
/// ends the waiting.
///
/// # Errors
/// When the daemon refuses, and [`Failure::Interrupted`].
pub(super) async fn wait(
    call: Call<Execution>,
    session: &str,
    client: &Client,
) -> Result<Awaited, Failure> {
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut answer = pin!(call.raw().send());
    let mut interrupted = false;
    loop {
        tokio::select! {
            json = &mut answer => return Ok(Awaited { json: json?, interrupted }),
            _ = interrupts.recv() => {
                if std::mem::replace(&mut interrupted, true) {
                    return Err(Failure::Interrupted);
                }
                eprintln!("Cancelling the execution; Ctrl-C again stops waiting for it");
                cancel_running(session, client).await?;
            }
        }
    }
}

/// Cancels what runs in the session: it runs one thing at a time, and whatever that is, it is what was waited for.
async fn cancel_running(session: &str, client: &Client) -> Result<(), Failure> {
    let newest = client.executions(session, Some(1)).await?;
    for execution in newest {
        if execution.status == ExecutionStatus::Running {
            client.cancel(execution.id).await?;
        }
    }
    Ok(())
}
