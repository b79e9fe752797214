//! The session process, as the actor holds it.

use std::io;

use tokio::sync::mpsc;

use crate::ipc::ToSession;
use crate::ipc::daemon_end::{Receiver, Sender};
use crate::supervisor::recovery::session_seed::FIRST_GENERATION;
use crate::supervisor::zygote::{ForkedProcess, ProcessEvent};

/// The channel to the session process, which stays the same over generations.
pub(super) struct SessionProcess {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// The zygote's events about the session's processes.
    pub(super) events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// The zygote's number for the session.
    pub(super) number: u64,
    /// The generation of the current process. Messages to it carry this number.
    pub(super) generation: u32,
}

impl SessionProcess {
    /// A process that was forked from the zygote.
    pub(super) fn first(forked: ForkedProcess) -> Self {
        let ForkedProcess {
            sender,
            receiver,
            number,
            events,
        } = forked;
        Self {
            sender,
            receiver,
            events,
            number,
            generation: FIRST_GENERATION,
        }
    }

    /// Sends a message to the current generation. Waits while the socket is full.
    ///
    /// # Errors
    /// When every process of the session has ended.
    pub(super) async fn send(&self, message: &ToSession) -> io::Result<()> {
        self.sender.send(self.generation, message, None).await
    }
}
