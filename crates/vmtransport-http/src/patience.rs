//! A connection whose client must take what it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take nothing of what it is sent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A stream in which a write fails that could not go on for a while.
pub(crate) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// When the write fails that waits now, if one does.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// A stream whose writes wait for at most `patience`.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    /// Passes on what became of a write, or fails it when it has waited too long.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.deadline = None;
            return write;
        }
        let at = Instant::now() + self.patience;
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

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// How much waits for a reader, in bytes.
    const ROOM: usize = 16;

    #[tokio::test]
    async fn a_write_fails_once_nothing_was_taken_for_a_while() {
        let (_client, server) = duplex(ROOM);
        let patience = Duration::from_millis(20);
        let started = Instant::now();
        let sent = Patient::new(server, patience)
            .write_all(&[0; ROOM + 1])
            .await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= patience);
    }

    #[tokio::test]
    async fn a_client_that_takes_a_little_at_a_time_has_the_whole_time_for_each() {
        let (mut client, server) = duplex(ROOM);
        let mut server = Patient::new(server, PATIENCE);
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
