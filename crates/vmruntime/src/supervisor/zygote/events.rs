//! The reports of a zygote about the processes of its sessions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::ipc::Death;

/// A report about the processes of a session, or about a query process.
#[derive(Debug)]
pub(crate) enum ProcessEvent {
    /// The zygote could not fork a process, for this reason.
    OpenFailed(String),
    /// A process died that had not been dismissed.
    Died(Death),
    /// The last process of the group was reaped.
    Ended,
    /// The zygote has ended, for this reason, and every process of the group with it.
    ZygoteGone(String),
}

/// The process groups of a zygote's sessions and queries, by number, with the receivers of their
/// events.
#[derive(Debug, Default)]
pub(super) struct ProcessGroups(Mutex<HashMap<u64, mpsc::UnboundedSender<ProcessEvent>>>);

impl ProcessGroups {
    /// Registers a group. Returns the receiver of its events.
    pub(super) fn begin(&self, number: u64) -> mpsc::UnboundedReceiver<ProcessEvent> {
        let (sender, events) = mpsc::unbounded_channel();
        self.lock().insert(number, sender);
        events
    }

    /// Sends an event to the receiver of a group. After an event that ends the group, the group is
    /// removed.
    pub(super) fn report(&self, number: u64, event: ProcessEvent) {
        let is_last = matches!(
            event,
            ProcessEvent::Ended | ProcessEvent::OpenFailed(_) | ProcessEvent::ZygoteGone(_)
        );
        let mut groups = self.lock();
        if let Some(sender) = groups.get(&number) {
            // The receiver may have been dropped.
            let _ = sender.send(event);
        }
        if is_last {
            groups.remove(&number);
        }
    }

    /// Sends [`ProcessEvent::ZygoteGone`] to all groups and removes them.
    pub(super) fn report_loss(&self, reason: &str) {
        for sender in std::mem::take(&mut *self.lock()).into_values() {
            let _ = sender.send(ProcessEvent::ZygoteGone(reason.to_owned()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<ProcessEvent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
