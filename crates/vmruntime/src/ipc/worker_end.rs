//! A worker's end of a channel. It blocks, and reads one message at a time.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::ipc::Message;
use crate::ipc::codec::{self, Encoded};
use crate::ipc::frame::{Assembler, MAX_DATAGRAM_BYTES, split};

/// A message that has arrived.
pub(crate) struct Received<T> {
    /// The generation that it is for.
    pub(crate) generation: u32,
    /// The message.
    pub(crate) message: T,
    /// The descriptor that was sent with the message; `None` if there was none.
    pub(crate) fd: Option<OwnedFd>,
}

/// A `SOCK_SEQPACKET` socket.
pub(crate) struct Channel {
    socket: OwnedFd,
    generation: Cell<u32>,
    assembler: RefCell<Assembler>,
    /// Holds a datagram while it is read. Channels of forks of this process use the same buffer.
    buffer: Rc<RefCell<Vec<u8>>>,
}

impl Channel {
    /// A channel that accepts messages of at most `max_bytes`.
    pub(crate) fn new(socket: OwnedFd, max_bytes: u32) -> Self {
        let buffer = Rc::new(RefCell::new(vec![0; MAX_DATAGRAM_BYTES]));
        Self::with_buffer(socket, max_bytes, buffer)
    }

    /// A channel for another socket, in a process that was forked. It uses the buffer of this
    /// channel: the kernel copies only those pages of it that a datagram is written to.
    pub(crate) fn another(&self, socket: OwnedFd, max_bytes: u32) -> Self {
        Self::with_buffer(socket, max_bytes, Rc::clone(&self.buffer))
    }

    fn with_buffer(socket: OwnedFd, max_bytes: u32, buffer: Rc<RefCell<Vec<u8>>>) -> Self {
        Self {
            socket,
            generation: Cell::new(0),
            assembler: RefCell::new(Assembler::new(max_bytes)),
            buffer,
        }
    }

    /// Sets the generation of the messages that are sent from now on.
    pub(crate) fn set_generation(&self, generation: u32) {
        self.generation.set(generation);
    }

    /// The generation of the messages that are sent.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// The socket, for `poll`.
    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends a message. Waits while the socket is full.
    ///
    /// # Errors
    /// When the peer has closed the channel.
    pub(crate) fn send(&self, message: &impl Message) -> io::Result<()> {
        let encoded = Encoded::of(message)?;
        let (generation, is_refusable) = (self.generation.get(), message.is_refusable());
        for (header, chunk) in split(generation, is_refusable, encoded.parts(message)) {
            let [first, second, third] = chunk.map(IoSlice::new);
            let parts = [IoSlice::new(&header), first, second, third];
            let socket = self.socket.as_raw_fd();
            loop {
                match sendmsg::<()>(socket, &parts, &[], MsgFlags::MSG_NOSIGNAL, None) {
                    Ok(_) => break,
                    Err(Errno::EINTR) => {}
                    Err(error) => return Err(io::Error::from(error)),
                }
            }
        }
        Ok(())
    }

    /// Waits for a message. Returns `None` when the peer has closed the channel.
    ///
    /// # Errors
    /// When a message is malformed.
    pub(crate) fn receive<T: Message>(&self) -> io::Result<Option<Received<T>>> {
        let mut buffer = self.buffer.borrow_mut();
        let mut came_along = None;
        loop {
            let Some((length, fd)) =
                receive_datagram(&self.socket, &mut buffer, MsgFlags::empty())?
            else {
                return Ok(None);
            };
            came_along = fd.or(came_along);
            let pushed = self.assembler.borrow_mut().push(&buffer[..length]);
            if let Some(whole) = pushed.map_err(io::Error::other)? {
                // The bytes are there: this receiver never drops a message.
                let bytes = whole.bytes.unwrap_or_default();
                return Ok(Some(Received {
                    generation: whole.generation,
                    message: codec::decode(bytes)?,
                    fd: came_along,
                }));
            }
        }
    }
}

/// Reads a datagram. Returns its length and the descriptor that was sent with it, or `None` when
/// the peer has closed the channel.
///
/// # Errors
/// When the system refuses; with `MSG_DONTWAIT` also when no datagram has arrived.
pub(crate) fn receive_datagram(
    socket: &OwnedFd,
    buffer: &mut [u8],
    flags: MsgFlags,
) -> io::Result<Option<(usize, Option<OwnedFd>)>> {
    let mut space = nix::cmsg_space!(std::os::fd::RawFd);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = loop {
        let received = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC | flags,
        );
        match received {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let fd = match received.cmsgs() {
        Ok(mut messages) => messages.find_map(|message| match message {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        }),
        // This process has no descriptor left: then the kernel closes the one that was sent, and
        // delivers the message.
        Err(Errno::ENOBUFS) => None,
        Err(error) => return Err(error.into()),
    };
    // SAFETY: the kernel has just made this descriptor for this process, and no other value owns
    // it.
    let fd = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let length = received.bytes;
    // Every datagram has a header, so that an empty one means the end of the stream.
    Ok((length > 0).then_some((length, fd)))
}
