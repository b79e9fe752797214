//! Checkpoints: a fork of a session process that sleeps with the heap as it was, until it is
//! promoted or dismissed.
//!
//! A checkpoint waits on a pipe whose other end the session process holds. A byte dismisses it. The
//! end of the stream means that the session process is dead: the checkpoint is promoted, and is the
//! session process from then on.
//!
//! Meanwhile it takes queries about the session from a socket that all checkpoints of a session
//! share, also while the session process runs a script. For each it forks a process that answers
//! and ends, and goes back to sleep.
//!
//! A new checkpoint is made before the old one is dismissed, so that there is one at every moment.
//! The new one and the session process both dismiss the old one: whichever of the two dies in
//! between, the other does it, so that never two processes are the session process.

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

/// How often a refused fork is tried again: for less time than the daemon waits for a commit.
const ATTEMPTS: u32 = 60;

/// How long to wait between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How much is read of a message that brings a query's socket, in bytes: its content is ignored.
const QUERY_MESSAGE_BYTES: usize = 64;

/// The session process's hold on its checkpoint: the write end of the pipe.
#[derive(Debug)]
pub(super) struct Checkpoint {
    hold: File,
}

/// The process that returns from [`make`], and its part.
#[derive(Debug)]
pub(super) enum Role {
    /// The session process, with its new checkpoint.
    Session(Checkpoint),
    /// The checkpoint, promoted: the session process is dead.
    Promoted,
    /// A fork of the checkpoint, to answer the query that comes over this socket, and to end.
    Query(OwnedFd),
}

/// What wakes a checkpoint.
enum Wake {
    /// The session process is dead.
    ProcessDied,
    /// A query, over this socket.
    Query(OwnedFd),
}

/// The names of the two processes.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) session: String,
    pub(super) checkpoint: String,
}

/// Forks a checkpoint and dismisses the one before. `zygote` is the parent of all processes of the
/// session; `queries` is the socket from which checkpoints take queries.
///
/// When the system has no process or memory left, it is asked again for about two seconds. Then
/// this process ends, and the checkpoint before, which still sleeps, is promoted.
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
            // From here on its notes would be taken for those of the session process.
            post_mortem::leave();
            allocator::start_peak(None);
            process::set_name(&names.checkpoint);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            wait(wake.as_fd(), queries, zygote, &names.checkpoint)
        }
        // The hold on the one before is still in scope: it is promoted when this process is dead,
        // and not earlier.
        Err(error) => exit::noting(ExitCause::Checkpoint, &error.to_string()),
    }
}

/// A fork with a pipe between the two.
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
    /// Has the checkpoint end. It may be dead already, or dismissed by the new one.
    fn dismiss(mut self) {
        let _ = self.hold.write_all(b"d");
    }
}

/// Sleeps until this checkpoint is promoted, and returns then; and in forks, which answer a query.
/// Ends the process if it is dismissed.
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
                    // If the fork was refused the socket is closed here, and the daemon asks again.
                    Ok(Side::Parent(_)) | Err(_) => process::set_name(name),
                }
            }
        }
    }
}

/// Whether the session process is dead, or this checkpoint is dismissed.
fn is_superseded(wake: BorrowedFd<'_>) -> io::Result<bool> {
    let mut waited_for = [PollFd::new(wake, PollFlags::POLLIN)];
    let at_once = nix::sys::time::TimeSpec::new(0, 0);
    match ppoll(&mut waited_for, Some(at_once), None) {
        Err(Errno::EINTR) => Ok(false),
        other => Ok(other? > 0),
    }
}

/// Sleeps until the session process is dead or a query arrives. `queries` becomes `None` when the
/// daemon's end is closed: then no query can come any more.
fn sleep(wake: BorrowedFd<'_>, queries: &mut Option<&OwnedFd>) -> io::Result<Wake> {
    loop {
        // Nothing is allocated here: each page that a checkpoint writes to is copied for it.
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
            // For a moment there are two checkpoints, and the other one may have been quicker.
            match receive_datagram(
                socket,
                &mut [0; QUERY_MESSAGE_BYTES],
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(Some((_, Some(socket)))) => {
                    // A dismissed checkpoint lacks what the daemon has answered since.
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
