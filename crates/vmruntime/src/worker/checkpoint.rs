//! Checkpoints: a checkpoint is a fork of a session process that sleeps with the heap as it was,
//! until it is promoted or dismissed.
//!
//! # What wakes a checkpoint
//!
//! A checkpoint waits on a pipe whose write end the session process holds.
//!
//! - A byte dismisses the checkpoint: it ends.
//! - The end of the stream means that the session process is dead, because only that process holds
//!   the write end: the checkpoint is promoted, and is the session process from then on.
//! - A query arrives on a socket that all checkpoints of a session share, also while the session
//!   process runs a script. The checkpoint forks a process that answers the query and ends, and
//!   sleeps again.
//!
//! # How one checkpoint replaces another
//!
//! The session process forks the new checkpoint before it dismisses the old one, so that there is
//! one at every moment. Both the new checkpoint and the session process dismiss the old one. If one
//! of the two dies in between, the other one still does it:
//!
//! - If the session process dies first, the new checkpoint has the pipe's write end of the old one
//!   as well (it inherited it), so that the old one does not wake; the new one dismisses it and is
//!   promoted.
//! - If the new checkpoint dies first, the session process dismisses the old one, and then has no
//!   checkpoint until the daemon orders another one (`RenewCheckpoint`).
//!
//! So there are never two session processes. If the fork is refused, the session process ends; it
//! still holds the old checkpoint's pipe until it is dead, and only then is the old one promoted.
//!
//! For a moment two checkpoints wait on the socket for queries. A checkpoint that receives a query
//! checks whether it has been dismissed, because it would then answer with an older state than the
//! daemon has reported. A dismissed checkpoint drops the query, and the daemon asks again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::MsgFlags;
use nix::unistd::{Pid, pipe};

use super::memory::allocator;
use super::process::{self, Kinship, Side};
use super::{exit, post_mortem};
use crate::ipc::ExitCause;
use crate::ipc::worker_end::receive_datagram;

/// How often a refused fork is tried again. All attempts together take less time than the daemon
/// waits for a commit.
const ATTEMPTS: u32 = 60;

/// How long to wait between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How much is read of the message that carries a query's socket, in bytes. Its content is ignored.
const QUERY_MESSAGE_BYTES: usize = 64;

/// The session process's end of its checkpoint: the write end of the pipe.
#[derive(Debug)]
pub(super) struct Checkpoint {
    hold: File,
}

/// The role of the process that returns from [`make`].
#[derive(Debug)]
pub(super) enum Role {
    /// The session process, with its new checkpoint.
    Session(Checkpoint),
    /// The promoted checkpoint: the session process has died.
    Promoted,
    /// A fork of the checkpoint, which has to answer the query that arrives on this socket, and
    /// then to end.
    Query(OwnedFd),
}

/// What wakes a checkpoint.
enum Wake {
    /// The session process has died.
    ProcessDied,
    /// A query arrives on this socket.
    Query(OwnedFd),
}

/// The names of the two processes.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) session: String,
    pub(super) checkpoint: String,
}

/// Forks a checkpoint and dismisses the previous one. `zygote` is the parent of all processes of
/// the session; `queries` is the socket from which checkpoints receive queries.
///
/// If the system has no process or memory left, the fork is tried again for about two seconds. Then
/// this process ends, and the previous checkpoint is promoted.
pub(super) fn make(
    previous: Option<Checkpoint>,
    zygote: Pid,
    names: &Names,
    queries: &OwnedFd,
) -> Role {
    process::set_name(process::NAME_OF_FORKS);
    match attempt() {
        Ok((Side::Parent(_), _, hold)) => {
            process::set_name(&names.session);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            Role::Session(Checkpoint {
                hold: File::from(hold),
            })
        }
        Ok((Side::Child, wake, hold)) => {
            drop(hold);
            if process::die_with_parent(zygote).is_err() {
                exit::now(ExitCause::Done);
            }
            // A note of this process would be taken for one of the session process.
            post_mortem::leave();
            allocator::start_peak(None);
            process::set_name(&names.checkpoint);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            wait(wake.as_fd(), queries, zygote, &names.checkpoint)
        }
        // `previous` is still in scope: the previous checkpoint is promoted when this process is
        // dead, and not earlier.
        Err(error) => exit::noting(ExitCause::Checkpoint, &error.to_string()),
    }
}

/// Forks with a pipe between the two processes: which side this is, the read end and the write end.
fn attempt() -> io::Result<(Side, OwnedFd, OwnedFd)> {
    let mut left = ATTEMPTS;
    loop {
        let made = pipe()
            .map_err(io::Error::from)
            .and_then(|(wake, hold)| Ok((process::fork(Kinship::Sibling)?, wake, hold)));
        match made {
            Err(_) if left > 0 => {
                left -= 1;
                std::thread::sleep(BETWEEN_ATTEMPTS);
            }
            other => return other,
        }
    }
}

impl Checkpoint {
    /// Dismisses the checkpoint. A failure is ignored: the checkpoint may have died, or may have
    /// been dismissed by the new one.
    fn dismiss(mut self) {
        let _ = self.hold.write_all(b"d");
    }
}

/// Sleeps until this checkpoint is promoted. It returns in the promoted checkpoint and in each fork
/// that has to answer a query. If the checkpoint is dismissed, the process ends.
fn wait(wake: BorrowedFd<'_>, queries: &OwnedFd, zygote: Pid, name: &str) -> Role {
    let mut queries = Some(queries);
    loop {
        let Ok(woken) = sleep(wake, &mut queries) else {
            exit::now(ExitCause::Checkpoint)
        };
        match woken {
            Wake::ProcessDied => return Role::Promoted,
            Wake::Query(socket) => {
                process::set_name(process::NAME_OF_FORKS);
                match process::fork(Kinship::Sibling) {
                    Ok(Side::Child) => {
                        if process::die_with_parent(zygote).is_err() {
                            exit::now(ExitCause::Done);
                        }
                        return Role::Query(socket);
                    }
                    // If the fork was refused, the socket is closed here, and the daemon asks
                    // again.
                    Ok(Side::Parent(_)) | Err(_) => process::set_name(name),
                }
            }
        }
    }
}

/// Whether the session process has died, or this checkpoint was dismissed.
fn is_superseded(wake: BorrowedFd<'_>) -> io::Result<bool> {
    let mut waited_for = [PollFd::new(wake, PollFlags::POLLIN)];
    let at_once = nix::sys::time::TimeSpec::new(0, 0);
    match ppoll(&mut waited_for, Some(at_once), None) {
        Err(Errno::EINTR) => Ok(false),
        other => Ok(other? > 0),
    }
}

/// Sleeps until the session process dies or a query arrives. `queries` becomes `None` when the
/// daemon has closed its end: then no query can arrive any more.
fn sleep(wake: BorrowedFd<'_>, queries: &mut Option<&OwnedFd>) -> io::Result<Wake> {
    loop {
        // This loop does not allocate, because each page that a checkpoint writes to is copied.
        let second = queries.map_or(wake, AsFd::as_fd);
        let mut waited_for = [wake, second].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let count = if queries.is_some() { 2 } else { 1 };
        match ppoll(&mut waited_for[..count], None, None) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [is_woken, is_asked] =
            waited_for.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if is_woken {
            match nix::unistd::read(wake, &mut [0]) {
                Ok(0) => return Ok(Wake::ProcessDied),
                Ok(_) => exit::now(ExitCause::Done),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(socket) = queries.filter(|_| is_asked) {
            // For a moment there may be two checkpoints, and the other one may have taken the
            // message.
            match receive_datagram(
                socket,
                &mut [0; QUERY_MESSAGE_BYTES],
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(Some((_, Some(socket)))) => {
                    // A dismissed checkpoint lacks runs that the daemon has reported as committed.
                    if !is_superseded(wake)? {
                        return Ok(Wake::Query(socket));
                    }
                }
                Ok(Some((_, None))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(None) | Err(_) => *queries = None,
            }
        }
    }
}
