//! The actor that owns a zygote's process and its channel.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use tokio::process::Child;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::events::{ProcessEvent, ProcessGroups};
use crate::ipc::child::no_answer;
use crate::ipc::daemon_end::{Receiver, Sender};
use crate::ipc::{FromZygote, HELPER_TIMEOUT, ToZygote, exit_text};
use crate::supervisor::watchdog::{SentMessages, Step, Watchdog};

/// A message for a zygote, with the descriptor that is sent with it; `None` if none is.
pub(super) type Order = (ToZygote, Option<OwnedFd>);

/// Sends orders to the zygote until its channel is closed. It must run in a separate task from the
/// one that reads: a zygote that waits until its reports are read takes no orders meanwhile, and
/// the two sides would wait for each other.
pub(super) async fn write(sender: Sender, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some((message, fd)) = orders.recv().await {
        let fd = fd.as_ref().map(AsRawFd::as_raw_fd);
        if let Err(error) = sender.send(0, &message, fd).await {
            tracing::debug!(%error, "a zygote takes no orders");
            return;
        }
    }
}

/// The owner of a zygote's process.
pub(super) struct ZygoteActor {
    pub(super) receiver: Receiver,
    pub(super) child: Child,
    /// The task that sends the orders.
    pub(super) writer: JoinHandle<()>,
    /// The queue of orders, for the pings of the watchdog.
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) sent: Arc<SentMessages>,
    pub(super) watchdog: Watchdog,
    pub(super) stop: Arc<Notify>,
    pub(super) process_groups: Arc<ProcessGroups>,
}

impl ZygoteActor {
    /// Handles the zygote's messages until its process has ended, is killed by the watchdog, or is
    /// told to stop.
    pub(super) async fn run(mut self) {
        let reason = loop {
            tokio::select! {
                // Messages first: an answer that has arrived came in time.
                biased;
                received = self.receiver.receive::<FromZygote>() => match received {
                    Ok(Some(received)) => self.on_message(received.message),
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                },
                () = self.stop.notified() => break Some("the daemon stops".into()),
                step = self.watchdog.next(&self.sent) => match step {
                    // If this fails, the channel is closed, and the next receive reports it.
                    Step::Ping(number) => drop(self.orders.send((ToZygote::Ping { number }, None))),
                    Step::GiveUp => {
                        let reason = format!("it {} and was killed", no_answer());
                        tracing::warn!(pid = self.child.id(), reason, "a zygote is given up");
                        // It fails only if the process has ended.
                        let _ = self.child.start_kill();
                        break Some(reason);
                    }
                },
            }
        };
        self.end(reason).await;
    }

    fn on_message(&mut self, message: FromZygote) {
        let (session, event) = match message {
            FromZygote::Hello { .. } | FromZygote::Loaded { .. } => return,
            FromZygote::Pong { number } => return self.watchdog.note_answer(number),
            FromZygote::OpenFailed { session, reason } => {
                (session, ProcessEvent::OpenFailed(reason))
            }
            FromZygote::Died { session, death } => (session, ProcessEvent::Died(death)),
            FromZygote::Ended { session } => (session, ProcessEvent::Ended),
        };
        self.process_groups.report(session, event);
    }

    /// Closes the channel, which ends the zygote and its sessions, and waits until the process has
    /// ended.
    async fn end(self, reason: Option<String>) {
        let Self {
            receiver,
            mut child,
            writer,
            process_groups,
            ..
        } = self;
        writer.abort();
        // When the task has ended, its half of the channel is dropped.
        let _ = writer.await;
        drop(receiver);
        let status = match tokio::time::timeout(HELPER_TIMEOUT, child.wait()).await {
            Ok(Ok(status)) => exit_text(status),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                tracing::error!("a zygote did not end by itself and is killed");
                let _ = child.kill().await;
                "it did not end by itself and was killed".into()
            }
        };
        process_groups.report_loss(&reason.unwrap_or(status));
    }
}
