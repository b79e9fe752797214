//! A connection whose client must take what it is sent, and that takes leave of one that still sends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection_slots::Connection;

/// How long a client may take nothing of what it is sent.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a client may go on sending after the last answer. If the connection were gone, what it sends would be answered
/// with a reset, which can take the answer along.
const LEAVE: Duration = Duration::from_secs(1);

/// How much of that is read at once, in bytes.
const THROWN_AWAY_AT_ONCE: usize = 16 * 1024;

/// A stream in which a write fails that could not go on for a while.
pub(crate) struct TimedWrites<S> {
    stream: S,
    /// Who hears whether a write waits.
    connection: Arc<Connection>,
    write_timeout: Duration,
    /// When the write fails that waits now, if one does.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether the client has been told that nothing more comes.
    is_shut: bool,
    /// When a client that sends all the same is left to itself.
    leave: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedWrites<S> {
    /// A stream whose writes wait for at most `patience`.
    pub(crate) fn new(stream: S, write_timeout: Duration, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            write_timeout,
            deadline: None,
            is_shut: false,
            leave: None,
        }
    }

    /// Passes on what became of a write, or fails it when it has waited too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.connection.set_writing(write.is_pending());
        if write.is_ready() {
            self.deadline = None;
            return write;
        }
        let at = Instant::now() + self.write_timeout;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(at)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing",
        )))
    }
}

impl<S: AsyncRead + Unpin> TimedWrites<S> {
    /// Throws away what a client sends that is sending now, until it has stopped, or for a while.
    fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; THROWN_AWAY_AT_ONCE];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            match (read, &mut self.leave) {
                (Poll::Ready(Ok(())), _) if buffer.filled().is_empty() => return Poll::Ready(()),
                (Poll::Ready(Err(_)), _) | (Poll::Pending, None) => return Poll::Ready(()),
                (Poll::Ready(Ok(())), leave) => {
                    let leave = leave.get_or_insert_with(|| Box::pin(tokio::time::sleep(LEAVE)));
                    if leave.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                }
                (Poll::Pending, Some(leave)) => return leave.as_mut().poll(context),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedWrites<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedWrites<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.bounded(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        self.poll_leave(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::connection_slots::ConnectionSlots;

    /// A server's end whose client is as patient as that.
    async fn timed_writes<S>(stream: S, write_timeout: Duration) -> TimedWrites<S> {
        TimedWrites::new(
            stream,
            write_timeout,
            ConnectionSlots::new(1).take().await.connection,
        )
    }

    /// How much waits for a reader, in bytes.
    const ROOM: usize = 16;

    #[tokio::test]
    async fn a_write_fails_once_nothing_was_taken_for_a_while() {
        let (_client, server) = duplex(ROOM);
        let write_timeout = Duration::from_millis(20);
        let started = Instant::now();
        let sent = timed_writes(server, write_timeout)
            .await
            .write_all(&[0; ROOM + 1])
            .await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= write_timeout);
    }

    #[tokio::test]
    async fn a_client_that_still_sends_is_read_until_it_has_stopped() {
        let (mut client, server) = duplex(ROOM);
        let mut server = timed_writes(server, WRITE_TIMEOUT).await;
        client.write_all(&[0; ROOM]).await.unwrap();
        let client = async {
            client.write_all(&[0; 10 * ROOM]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let (left, ()) = tokio::join!(server.shutdown(), client);
        left.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_is_not_waited_for() {
        let (client, server) = duplex(ROOM);
        timed_writes(server, WRITE_TIMEOUT)
            .await
            .shutdown()
            .await
            .unwrap();
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_takes_a_little_at_a_time_has_the_whole_time_for_each() {
        let (mut client, server) = duplex(ROOM);
        let mut server = timed_writes(server, WRITE_TIMEOUT).await;
        for _ in 0..3 {
            server.write_all(&[0; ROOM]).await.unwrap();
            assert!(server.deadline.is_none());
            assert!(
                tokio::time::timeout(Duration::ZERO, server.write(&[0]))
                    .await
                    .is_err()
            );
            assert!(server.deadline.is_some());
            client.read_exact(&mut [0; ROOM]).await.unwrap();
        }
    }
}
