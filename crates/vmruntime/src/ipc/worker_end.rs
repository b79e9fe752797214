//! A worker's end of a channel: it blocks, and takes one message at a time.

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
    /// The descriptor that came along; `None` if none did.
    pub(crate) fd: Option<OwnedFd>,
}

/// A `SOCK_SEQPACKET` socket.
pub(crate) struct Channel {
    socket: OwnedFd,
    generation: Cell<u32>,
    assembler: RefCell<Assembler>,
    /// Holds a datagram while that is read; shared with the channels of this process's forks.
    buffer: Rc<RefCell<Vec<u8>>>,
}

impl Channel {
    /// A channel that accepts messages of at most `max_bytes`.
    pub(crate) fn new(socket: OwnedFd, max_bytes: u32) -> Self {
        let buffer = Rc::new(RefCell::new(vec![0; MAX_DATAGRAM_BYTES]));
        Self::with_buffer(socket, max_bytes, buffer)
    }

    /// Another channel, in a process that was forked. It uses this one's buffer: the process copies
    /// only the pages of it that a datagram is written to.
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

    pub(crate) fn generation(&self) -> u32 {
        self.generation.get()
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends a message. Waits while the peer is slow.
    ///
    /// # Errors
    /// When the peer is gone.
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

    /// Waits for a message; returns `None` when the peer is gone.
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
                // A message is dropped only where its receiver says so, and this one does not.
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

/// Takes a datagram: its length, and the descriptor that came along if one did. Returns `None` when
/// the peer is gone.
///
/// # Errors
/// When the system refuses; with `MSG_DONTWAIT` also when no datagram is there.
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
        // This process may have no more descriptors: then the kernel closes the one that came
        // along, and delivers the message.
        Err(Errno::ENOBUFS) => None,
        Err(error) => return Err(error.into()),
    };
    // SAFETY: the kernel has just made this descriptor for us, and no other value owns it.
    let fd = fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let length = received.bytes;
    // Every datagram has a header, so that an empty one means the end of the stream.
    Ok((length > 0).then_some((length, fd)))
}
