//! What answers questions about a session that has no checkpoint yet.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TryRecvError};

use super::zygote::{Forked, ProcessEvent, Zygote};
use crate::ipc::ToSession;
use crate::ipc::daemon_end::Sender;
use crate::supervisor::recovery::session_seed::{FIRST_GENERATION, SessionSeed};

/// How long it may take to read its set-up.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// A process that is set up as the session's was, if there is one.
pub(super) struct StandIn {
    /// The zygote's number for it.
    number: u64,
    process: Option<Process>,
}

struct Process {
    sender: Sender,
    process_events: mpsc::UnboundedReceiver<ProcessEvent>,
}

impl StandIn {
    /// For a session of that number. There is no process yet.
    pub(super) fn of(session: u64) -> Self {
        Self {
            number: number_of_stand_in(session),
            process: None,
        }
    }

    /// Makes sure that there is a process. Whoever asks a question says so again while nobody answers.
    pub(super) async fn be_there(&mut self, zygote: &Zygote, seed: &SessionSeed) {
        if self.process.as_mut().is_some_and(Process::is_there) {
            return;
        }
        let forked = match zygote.fork_as(self.number) {
            Ok(forked) => forked,
            Err(error) => {
                tracing::debug!(%error, "nothing can stand in for a checkpoint");
                return;
            }
        };
        let Forked {
            sender,
            process_events,
            ..
        } = forked;
        let process = self.process.insert(Process {
            sender,
            process_events,
        });
        let set_up = tokio::time::timeout(SET_UP_TIMEOUT, process.set_up(seed));
        if !matches!(set_up.await, Ok(Ok(()))) {
            // It is dead already, or stands still.
            zygote.close(self.number);
        }
    }

    /// Has the process end, and answer no question from now on.
    pub(super) fn hang_up(&self) {
        if let Some(process) = &self.process {
            process.sender.hang_up();
        }
    }

    /// Kills the process and what has been forked from it, and waits until that is gone.
    pub(super) async fn end(&mut self, zygote: &Zygote) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        zygote.close(self.number);
        while let Some(ProcessEvent::Died(_)) = process.process_events.recv().await {}
    }
}

impl Process {
    async fn set_up(&self, seed: &SessionSeed) -> io::Result<()> {
        seed.set_up(&self.sender).await?;
        let stand_in = ToSession::StandIn;
        self.sender.send(FIRST_GENERATION, &stand_in, None).await
    }

    /// Whether anything of it is left. Until then its number can't be another's.
    fn is_there(&mut self) -> bool {
        loop {
            match self.process_events.try_recv() {
                Ok(ProcessEvent::Died(_)) => {}
                Ok(
                    ProcessEvent::Ended | ProcessEvent::OpenFailed(_) | ProcessEvent::ZygoteGone(_),
                )
                | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }
}

/// The zygote's number for what stands in for the checkpoint of a session. Sessions are counted from one.
pub(super) fn number_of_stand_in(session: u64) -> u64 {
    session | 1 << 63
}
