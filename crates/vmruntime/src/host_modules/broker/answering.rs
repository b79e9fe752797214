//! The way of an answer back to the script that called a host module.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use vmcontrol::FileError;

use crate::ipc::daemon_end::Sender;
use crate::ipc::{HostAnswer, HostReply, ToSession};

/// How often a thread that waits for a session process to take a piece checks whether it should
/// stop.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// Sends the pieces of an answer as they come, so that the daemon does not hold all of it. The
/// session process takes them one by one, and they count as its memory.
#[derive(Clone)]
pub(crate) struct Answering {
    sender: Sender,
    generation: u32,
}

impl Answering {
    /// The answer to a call of the session process of that generation.
    pub(crate) fn new(sender: Sender, generation: u32) -> Self {
        Self { sender, generation }
    }

    /// Sends bytes for the bodies with these numbers; waits while the session process is slow.
    ///
    /// # Errors
    /// When the session process is gone.
    pub(crate) async fn send(&self, into: &[u8], bytes: &[u8]) -> io::Result<()> {
        for piece in HostAnswer::pieces(into, bytes) {
            self.pass_on(piece).await?;
        }
        Ok(())
    }

    /// Sends a piece.
    ///
    /// # Errors
    /// When the session process is gone.
    pub(crate) async fn pass_on(&self, piece: HostAnswer) -> io::Result<()> {
        // A piece is one datagram, so that no other message to the session process gets into the
        // middle of it.
        let message = ToSession::HostAnswer(piece);
        self.sender.send(self.generation, &message, None).await
    }

    /// As [`send`](Self::send), on a thread that may block. `go_on` is asked while it waits.
    ///
    /// # Errors
    /// When the session process is gone, and the error of `go_on`.
    pub(crate) fn send_blocking(
        &self,
        into: &[u8],
        bytes: &[u8],
        go_on: impl Fn() -> io::Result<()>,
    ) -> Result<(), FileError> {
        for piece in HostAnswer::pieces(into, bytes) {
            let message = ToSession::HostAnswer(piece);
            loop {
                let sent = self.sender.send(self.generation, &message, None);
                let sent = async { tokio::time::timeout(CHECK_EVERY, sent).await };
                match Handle::current().block_on(sent) {
                    Ok(sent) => break sent?,
                    Err(_) => go_on()?,
                }
            }
        }
        Ok(())
    }

    /// Sends what has to come before the end of an answer, and gives the end.
    ///
    /// # Errors
    /// When the session process is gone.
    pub(crate) async fn all_but_the_end(&self, reply: HostReply) -> io::Result<HostAnswer> {
        let mut parts = HostAnswer::of(reply);
        loop {
            match parts.next() {
                Some(end @ HostAnswer::End(_)) => return Ok(end),
                Some(piece) => self.pass_on(piece).await?,
                None => return Err(io::Error::other("an answer has no end")),
            }
        }
    }
}
