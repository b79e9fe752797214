//! The session process as the actor reaches it.

use std::io;

use tokio::sync::mpsc;

use crate::ipc::ToSession;
use crate::ipc::daemon_end::{Receiver, Sender};
use crate::supervisor::recovery::session_seed::FIRST_GENERATION;
use crate::supervisor::zygote::{ForkedProcess, ProcessEvent};

/// The session process, of whichever generation it is.
pub(super) struct SessionProcess {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// What the zygote reports of the session's processes.
    pub(super) events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// The zygote's number for the session.
    pub(super) number: u64,
    /// Counts the processes of the session. Messages say which generation they are for.
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

    /// Sends a message to this generation. Waits while the process is slow.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) async fn send(&self, message: &ToSession) -> io::Result<()> {
        self.sender.send(self.generation, message, None).await
    }
}
