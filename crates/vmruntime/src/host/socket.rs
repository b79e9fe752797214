//! The daemon's end of a channel.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, recv, sendmsg, shutdown,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::protocol::frame::{Assembler, MAX_DATAGRAM_BYTES, split};

thread_local! {
    /// One buffer for all sockets of a thread: a thousand idle sessions need none.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM_BYTES]);
}

/// How long to wait for room in a socket that can't be registered for it.
const WITHOUT_DESCRIPTOR: Duration = Duration::from_millis(5);

/// The half of a `SOCK_SEQPACKET` socket that receives. The two halves don't wait for each other.
#[derive(Debug)]
pub(crate) struct Receiver {
    fd: Arc<AsyncFd<OwnedFd>>,
    assembler: Assembler,
}

/// The half that sends.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    fd: Arc<AsyncFd<OwnedFd>>,
}

/// A message, and which generation sent it.
#[derive(Debug)]
pub(crate) struct Received<T> {
    pub(crate) generation: u32,
    pub(crate) message: T,
}

/// A connected pair: ours, which never blocks, and the other side's, which does.
pub(crate) fn pair(max_bytes: u32) -> io::Result<(Sender, Receiver, OwnedFd)> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    nix::fcntl::fcntl(
        &ours,
        nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
    )?;
    // For sending nothing is registered: each message that the other side reads would wake the daemon to tell it of the room.
    // SAFETY: the descriptor is owned, stays open as long as it is registered, and is never handed out.
    let fd = Arc::new(unsafe { AsyncFd::register_with_interest(ours, Interest::READABLE)? });
    let receiver = Receiver {
        fd: Arc::clone(&fd),
        assembler: Assembler::new(max_bytes),
    };
    Ok((Sender { fd }, receiver, theirs))
}

impl Receiver {
    /// Waits for a message; nothing when the other side is gone. Loses nothing when dropped before it is ready.
    ///
    /// # Errors
    /// When what came makes no sense.
    pub(crate) async fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<Received<T>>> {
        loop {
            let assembler = &mut self.assembler;
            let pushed = self
                .fd
                .async_io(Interest::READABLE, |fd| {
                    BUFFER.with_borrow_mut(|buffer| {
                        let length = retry(|| recv(fd.as_raw_fd(), buffer, MsgFlags::empty()))?;
                        Ok((length > 0).then(|| assembler.push(&buffer[..length])))
                    })
                })
                .await;
            let whole = match pushed {
                Ok(None) => return Ok(None),
                Ok(Some(pushed)) => pushed.map_err(io::Error::other)?,
                // The other side died with something of ours unread.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(whole) = whole {
                return Ok(Some(Received {
                    generation: whole.generation,
                    message: serde_json::from_slice(&whole.bytes)?,
                }));
            }
        }
    }
}

impl Sender {
    /// Ends the stream for the other side at once, also where a process that is being started has a copy of the socket.
    pub(crate) fn hang_up(&self) {
        // It is refused when the other side is gone.
        let _ = shutdown(self.fd.as_raw_fd(), Shutdown::Both);
    }

    /// Sends a message to a generation, with a descriptor if there is one; waits while the other side is slow.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(crate) async fn send(
        &self,
        generation: u32,
        message: &impl Serialize,
        fd: Option<RawFd>,
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut fds: &[RawFd] = fd.as_slice();
        for (header, chunk) in split(generation, &bytes) {
            let parts = [IoSlice::new(&header), IoSlice::new(chunk)];
            let along = [ControlMessage::ScmRights(fds)];
            let along = if fds.is_empty() { &[] } else { &along[..] };
            let send = |socket: &OwnedFd| {
                let socket = socket.as_raw_fd();
                retry(|| sendmsg::<()>(socket, &parts, along, MsgFlags::MSG_NOSIGNAL, None))
            };
            loop {
                match send(self.fd.get_ref()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.room().await,
                    outcome => {
                        outcome?;
                        break;
                    }
                }
            }
            fds = &[];
        }
        Ok(())
    }

    /// Waits until there may be room.
    async fn room(&self) {
        let registered = self.fd.get_ref().try_clone().and_then(|socket| {
            // SAFETY: the descriptor is owned, stays open as long as it is registered, and is never handed out.
            Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::WRITABLE)? })
        });
        match registered {
            // If that fails the next attempt to send says why.
            Ok(registered) => drop(registered.writable().await),
            // There is no descriptor left.
            Err(_) => tokio::time::sleep(WITHOUT_DESCRIPTOR).await,
        }
    }
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    const MAX_BYTES: u32 = 8 << 20;

    /// What one message of a generation says, read as the other side does.
    fn read(socket: &OwnedFd) -> (u32, String) {
        let mut assembler = Assembler::new(MAX_BYTES);
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            let length = retry(|| recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()));
            let whole = assembler.push(&buffer[..length.unwrap()]).unwrap();
            if let Some(whole) = whole {
                return (
                    whole.generation,
                    serde_json::from_slice(&whole.bytes).unwrap(),
                );
            }
        }
    }

    /// Whether something that is begun now is not done at once.
    async fn is_waiting(mut begun: Pin<&mut impl Future>) -> bool {
        poll_fn(|context| Poll::Ready(begun.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn a_message_for_which_there_is_no_room_yet_arrives_whole() {
        let (sender, _receiver, theirs) = pair(MAX_BYTES).unwrap();
        let text = "text".repeat(1 << 20);
        let mut sending = pin!(sender.send(7, &text, None));
        assert!(is_waiting(sending.as_mut()).await);
        let reading = std::thread::spawn(move || read(&theirs));
        sending.await.unwrap();
        let (generation, received) = reading.join().unwrap();
        assert_eq!(generation, 7);
        assert!(received == text);
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_that_the_other_side_is_gone() {
        let (sender, _receiver, theirs) = pair(MAX_BYTES).unwrap();
        let text = "text".repeat(1 << 20);
        let mut sending = pin!(sender.send(7, &text, None));
        assert!(is_waiting(sending.as_mut()).await);
        drop(theirs);
        assert!(sending.await.is_err());
    }
}
