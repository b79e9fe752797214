//! The stream of a connection: a write fails if the client receives nothing for a while, and the
//! shutdown waits for a client that is still sending.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection_slots::Connection;

/// How long a client may receive nothing of what it is sent.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a client may go on sending after the last answer. If the connection were closed at
/// once, the kernel would answer those bytes with a reset, and the client could lose the answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// How many of those bytes are read and discarded at once.
const DISCARDED_AT_ONCE: usize = 16 * 1024;

/// A stream in which a write fails if it makes no progress for the write timeout.
pub(crate) struct TimedWrites<S> {
    stream: S,
    /// The state of the connection, which records whether a write waits.
    connection: Arc<Connection>,
    write_timeout: Duration,
    /// When the write that waits now fails; `None` if no write waits.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether the stream has been shut down for writing.
    is_shut: bool,
    /// When the connection is closed though the client still sends; `None` until the client has
    /// sent something after the shutdown.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedWrites<S> {
    /// Wraps a stream. Each of its writes may wait for at most `write_timeout`.
    pub(crate) fn new(stream: S, write_timeout: Duration, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            write_timeout,
            deadline: None,
            is_shut: false,
            linger: None,
        }
    }

    /// The result of a write; an error if the write has waited for too long.
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
            "the client receives nothing",
        )))
    }
}

impl<S: AsyncRead + Unpin> TimedWrites<S> {
    /// Discards what a client sends that is sending now, until it stops or the linger timeout is
    /// over.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; DISCARDED_AT_ONCE];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            match (read, &mut self.linger) {
                (Poll::Ready(Ok(())), _) if buffer.filled().is_empty() => return Poll::Ready(()),
                (Poll::Ready(Err(_)), _) | (Poll::Pending, None) => return Poll::Ready(()),
                (Poll::Ready(Ok(())), linger) => {
                    let linger =
                        linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_TIMEOUT)));
                    if linger.as_mut().poll(context).is_ready() {
                        return Poll::Ready(());
                    }
                }
                (Poll::Pending, Some(linger)) => return linger.as_mut().poll(context),
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
        self.poll_linger(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::connection_slots::ConnectionSlots;

    /// The server's end of a connection with this write timeout.
    async fn timed_writes<S>(stream: S, write_timeout: Duration) -> TimedWrites<S> {
        TimedWrites::new(
            stream,
            write_timeout,
            ConnectionSlots::new(1).take().await.connection,
        )
    }

    /// The size of the buffer between client and server, in bytes.
    const ROOM: usize = 16;

    #[tokio::test]
    async fn a_write_fails_after_the_client_received_nothing_for_the_timeout() {
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
    async fn the_shutdown_waits_until_a_client_stops_sending() {
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
    async fn the_shutdown_does_not_wait_for_a_client_that_sends_nothing() {
        let (client, server) = duplex(ROOM);
        timed_writes(server, WRITE_TIMEOUT)
            .await
            .shutdown()
            .await
            .unwrap();
        drop(client);
    }

    #[tokio::test]
    async fn each_write_has_the_whole_timeout() {
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
