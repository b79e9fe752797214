//! The daemon's end of a channel. It is asynchronous and has two halves, one that receives and one
//! that sends.
//!
//! A receiver may have a [`MemoryBudget`]. Then it takes room for a message above [`FREE_BYTES`]
//! after the first datagram of the message has arrived, and before it reads the rest.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, recv, sendmsg, shutdown,
    socketpair,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;
use vmcontrol::{FREE_BYTES, Lease, MemoryBudget, ROOM_TIMEOUT};

use crate::ipc::Message;
use crate::ipc::codec::{self, Encoded};
use crate::ipc::frame::{Assembler, MAX_DATAGRAM_BYTES, split};

thread_local! {
    /// One buffer for all sockets of a thread, so that a thousand idle sessions need none.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM_BYTES]);
}

/// How long to wait before sending is tried again, if the daemon has no descriptor left to register
/// the socket for room.
const WITHOUT_DESCRIPTOR: Duration = Duration::from_millis(5);

/// The size from which a message is decoded in a blocking section, in bytes, so that other tasks of
/// the thread can run.
const LARGE_BYTES: usize = 256 * 1024;

/// The half of a `SOCK_SEQPACKET` socket that receives. The two halves work independently.
pub(crate) struct Receiver {
    fd: Arc<AsyncFd<OwnedFd>>,
    assembler: Assembler,
    /// The budget from which room for messages is taken; `None` if the limit on the size of a
    /// message suffices.
    budget: Option<MemoryBudget>,
    /// How long a message that may be dropped waits for room before it is dropped.
    room_timeout: Duration,
    /// The room for the message that is arriving.
    room: Room,
}

/// The room for a message.
enum Room {
    /// No room is needed, as far as is known.
    None,
    /// The receiver waits for room: until that time if the message may be dropped; without a limit
    /// for `None`.
    Waiting(
        Pin<Box<dyn Future<Output = Lease> + Send + Sync>>,
        Option<Instant>,
    ),
    /// The room was taken.
    Taken(Lease),
}

/// The half that sends.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    fd: Arc<AsyncFd<OwnedFd>>,
}

/// A message that has arrived.
#[derive(Debug)]
pub(crate) struct Received<T> {
    /// The generation that sent it.
    pub(crate) generation: u32,
    /// The message.
    pub(crate) message: T,
    /// The room that the message takes. It must be kept as long as the message.
    pub(crate) charge: Lease,
}

/// A connected pair: the two halves of the daemon's end, which never block, and the other side's
/// end, which does. The receiver accepts messages of at most `max_bytes`.
///
/// # Errors
/// When the system has no descriptor left.
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
    // The socket is not registered for sending: if it were, each message that the other side reads
    // would wake the daemon. SAFETY: the descriptor is owned, stays open as long as it is
    // registered, and is never handed out.
    let fd = Arc::new(unsafe { AsyncFd::register_with_interest(ours, Interest::READABLE)? });
    let receiver = Receiver {
        fd: Arc::clone(&fd),
        assembler: Assembler::new(max_bytes),
        budget: None,
        room_timeout: ROOM_TIMEOUT,
        room: Room::None,
    };
    Ok((Sender { fd }, receiver, theirs))
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl Receiver {
    /// The same receiver, with a budget from which it takes room for messages.
    pub(crate) fn within(mut self, budget: MemoryBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Waits for a message. Returns `None` when the other side has closed the channel. It is cancel
    /// safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// When a message is malformed.
    pub(crate) async fn receive<T: Message>(&mut self) -> io::Result<Option<Received<T>>> {
        loop {
            self.make_room::<T>().await;
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
                // The other side died before it had read everything that was sent to it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            };
            let Some(whole) = whole else { continue };
            let charge = match std::mem::replace(&mut self.room, Room::None) {
                Room::Taken(charge) => charge,
                Room::None | Room::Waiting(..) => Lease::default(),
            };
            let message = match whole.bytes {
                Some(bytes) => decode(bytes)?,
                None => T::refused().ok_or_else(|| io::Error::other("a message was dropped"))?,
            };
            return Ok(Some(Received {
                generation: whole.generation,
                message,
                charge,
            }));
        }
    }

    /// Waits until there is room for the rest of a message whose first datagram has arrived. A
    /// message that may be dropped is dropped if there is no room in time.
    async fn make_room<T: Message>(&mut self) {
        let Some(budget) = &self.budget else { return };
        if let Some(begun) = self.assembler.begun()
            && begun.total > FREE_BYTES
            && matches!(self.room, Room::None)
        {
            let (budget, bytes) = (budget.clone(), T::memory(begun.total, begun.is_refusable));
            let take = Box::pin(async move { budget.take(bytes).await });
            let until = begun
                .is_refusable
                .then(|| Instant::now() + self.room_timeout);
            self.room = Room::Waiting(take, until);
        }
        let Room::Waiting(room, until) = &mut self.room else {
            return;
        };
        let taken = match *until {
            Some(until) => tokio::time::timeout_at(until, room).await.ok(),
            None => Some(room.await),
        };
        if taken.is_none() {
            self.assembler.drop_message();
        }
        self.room = Room::Taken(taken.unwrap_or_default());
    }
}

/// Decodes a message; a large one in a blocking section.
fn decode<T: Message>(bytes: Vec<u8>) -> io::Result<T> {
    let is_shared = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if bytes.len() >= LARGE_BYTES && is_shared {
        return tokio::task::block_in_place(|| codec::decode(bytes));
    }
    codec::decode(bytes)
}

impl Sender {
    /// Closes the channel for the other side at once, even if a process that is being started holds
    /// a copy of the socket.
    pub(crate) fn hang_up(&self) {
        // It fails if the other side has closed the channel.
        let _ = shutdown(self.fd.as_raw_fd(), Shutdown::Both);
    }

    /// Sends a message to a generation, with a descriptor if one is given. Waits while the socket
    /// is full.
    ///
    /// # Errors
    /// When the other side has closed the channel.
    pub(crate) async fn send(
        &self,
        generation: u32,
        message: &impl Message,
        fd: Option<RawFd>,
    ) -> io::Result<()> {
        let encoded = Encoded::of(message)?;
        let mut fds: &[RawFd] = fd.as_slice();
        for (header, chunk) in split(generation, false, encoded.parts(message)) {
            let [first, second, third] = chunk.map(IoSlice::new);
            let parts = [IoSlice::new(&header), first, second, third];
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

    /// Waits until the socket may have room.
    async fn room(&self) {
        let registered = self.fd.get_ref().try_clone().and_then(|socket| {
            // SAFETY: the descriptor is owned, stays open as long as it is registered, and is never
            // handed out.
            Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::WRITABLE)? })
        });
        match registered {
            // If the wait fails, the next attempt to send returns the error.
            Ok(registered) => drop(registered.writable().await),
            // The daemon has no descriptor left.
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
    use crate::ipc::{FromSession, HostAnswer, ToSession};

    const MAX_BYTES: u32 = 8 << 20;

    /// A message with so many bytes.
    fn message(bytes: usize) -> ToSession {
        ToSession::HostAnswer(HostAnswer::Piece {
            into: Vec::new(),
            bytes: vec![7; bytes],
        })
    }

    /// Reads one message as the other side does. Returns its generation and the length of its
    /// attachment.
    fn read(socket: &OwnedFd) -> (u32, usize) {
        let mut assembler = Assembler::new(MAX_BYTES);
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            let length = retry(|| recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()));
            let whole = assembler.push(&buffer[..length.unwrap()]).unwrap();
            if let Some(whole) = whole {
                let message: ToSession = codec::decode(whole.bytes.unwrap()).unwrap();
                return (whole.generation, message.attachment().len());
            }
        }
    }

    /// Whether a future is not ready when it is polled.
    async fn is_waiting(mut polled: Pin<&mut impl Future>) -> bool {
        poll_fn(|context| Poll::Ready(polled.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn a_message_that_the_socket_has_no_room_for_yet_arrives_whole() {
        let (sender, _receiver, theirs) = pair(MAX_BYTES).unwrap();
        let message = message(4 << 20);
        let mut sending = pin!(sender.send(7, &message, None));
        assert!(is_waiting(sending.as_mut()).await);
        let reading = std::thread::spawn(move || read(&theirs));
        sending.await.unwrap();
        let (generation, received) = reading.join().unwrap();
        assert_eq!(generation, 7);
        assert_eq!(received, 4 << 20);
    }

    /// Sends a call of a session process with so many bytes.
    fn call(socket: &OwnedFd, bytes: usize) {
        let call = FromSession::HostCall(crate::ipc::HostCall {
            module: "fs".into(),
            function: "writeFile".into(),
            args: vmapi_types::RawJson::default(),
            body: vec![7; bytes].into(),
        });
        let encoded = Encoded::of(&call).unwrap();
        for (header, chunk) in split(1, true, encoded.parts(&call)) {
            let datagram = [&header[..], chunk[0], chunk[1], chunk[2]].concat();
            let sent = nix::sys::socket::send(socket.as_raw_fd(), &datagram, MsgFlags::empty());
            sent.unwrap();
        }
    }

    #[tokio::test]
    async fn a_call_for_which_there_is_no_room_is_dropped_in_time_and_the_next_one_comes() {
        let budget = MemoryBudget::of_bytes(64 << 20);
        let (_sender, receiver, theirs) = pair(MAX_BYTES).unwrap();
        let mut receiver = receiver.within(budget.clone());
        receiver.room_timeout = Duration::from_millis(1);
        let all = budget.take(64 << 20).await;
        // The thread waits for room in the socket until the receiver has dropped the first call.
        let calling = std::thread::spawn(move || {
            call(&theirs, 4 << 20);
            call(&theirs, 10);
            call(&theirs, 4 << 20);
            theirs
        });
        let mut next = async || receiver.receive::<FromSession>().await.unwrap().unwrap();
        assert!(matches!(next().await.message, FromSession::RefusedHostCall));
        // A small call needs no room.
        assert!(
            matches!(next().await.message, FromSession::HostCall(call) if call.body.len() == 10)
        );
        drop(all);
        receiver.room_timeout = ROOM_TIMEOUT;
        let call = receiver.receive::<FromSession>().await.unwrap().unwrap();
        assert!(!call.charge.is_empty());
        assert!(matches!(call.message, FromSession::HostCall(call) if call.body.len() == 4 << 20));
        drop(calling.join().unwrap());
    }

    #[tokio::test]
    async fn a_sender_that_waits_for_room_fails_when_the_other_side_closes() {
        let (sender, _receiver, theirs) = pair(MAX_BYTES).unwrap();
        let message = message(4 << 20);
        let mut sending = pin!(sender.send(7, &message, None));
        assert!(is_waiting(sending.as_mut()).await);
        drop(theirs);
        assert!(sending.await.is_err());
    }
}
