//! The daemon's end of a channel.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

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
    // SAFETY: the descriptor is owned, stays open as long as it is registered, and is never handed out.
    let fd = Arc::new(unsafe { AsyncFd::register(ours)? });
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
            self.fd
                .async_io(Interest::WRITABLE, |socket| {
                    let socket = socket.as_raw_fd();
                    retry(|| sendmsg::<()>(socket, &parts, along, MsgFlags::MSG_NOSIGNAL, None))
                })
                .await?;
            fds = &[];
        }
        Ok(())
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
