//! Sending an answer to the script that called a host module.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use vmcontrol::FileError;

use crate::ipc::daemon_end::Sender;
use crate::ipc::{HostAnswer, HostReply, ToSession};

/// How often a thread that waits for room in the socket of a session process checks whether it
/// should stop.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// Sends the pieces of an answer as they are made, so that the daemon never holds all of the
/// answer. The session process receives them one by one, and they count as its memory.
#[derive(Clone)]
pub(crate) struct Answering {
    sender: Sender,
    generation: u32,
}

impl Answering {
    /// For the answer to a call of the session process of that generation.
    pub(crate) fn new(sender: Sender, generation: u32) -> Self {
        Self { sender, generation }
    }

    /// Sends bytes for the bodies with these numbers. Waits while the socket is full.
    ///
    /// # Errors
    /// When the session process has ended.
    pub(crate) async fn send(&self, into: &[u8], bytes: &[u8]) -> io::Result<()> {
        for piece in HostAnswer::pieces(into, bytes) {
            self.pass_on(piece).await?;
        }
        Ok(())
    }

    /// Sends a piece.
    ///
    /// # Errors
    /// When the session process has ended.
    pub(crate) async fn pass_on(&self, piece: HostAnswer) -> io::Result<()> {
        // A piece is one datagram, so that no other message to the session process can get between
        // its parts.
        let message = ToSession::HostAnswer(piece);
        self.sender.send(self.generation, &message, None).await
    }

    /// As [`send`](Self::send), on a thread that may block. While it waits it calls `go_on`, and it
    /// stops when that returns an error.
    ///
    /// # Errors
    /// When the session process has ended; the error of `go_on`.
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

    /// Sends the parts of an answer that come before its end. Returns the end.
    ///
    /// # Errors
    /// When the session process has ended.
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
