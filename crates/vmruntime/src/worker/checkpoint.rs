//! Checkpoints: a fork of a session process that sleeps with the heap as it was, to take over or be dismissed.
//!
//! A checkpoint waits on a pipe whose other end the session process holds. A byte means that it is dismissed; the end of
//! the stream means that the session process is dead, and that the checkpoint is the session process from now on.
//!
//! Meanwhile it answers questions about the session, while the session process runs: for each it forks a process that is
//! thrown away with the answer, and does nothing itself.
//!
//! A new checkpoint is made before the old one is dismissed, so that there is one at every moment. The new one and the
//! session process both dismiss the old one: whichever of the two dies in between, the other does it, and never do two
//! processes believe to be the session process.
//!
//! Before a session needs one there is none. What answers questions then is set up as the session process was and sleeps in the
//! same way, but on the daemon's socket, and never takes over.

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
use super::{exit, post_mortem as page};
use crate::ipc::worker_end::receive_datagram;

/// How often a fork that was refused is tried again: for less time than the daemon waits for a commit.
const ATTEMPTS: u32 = 60;

/// How long to wait before it is.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// The most that is read of a message that brings a socket: what it says does not matter.
const QUESTION_BYTES: usize = 64;

/// The session process's hold on its checkpoint.
#[derive(Debug)]
pub(super) struct Checkpoint {
    hold: File,
}

/// Who returns from [`make`].
#[derive(Debug)]
pub(super) enum Made {
    /// The session process, now with a checkpoint.
    Session(Checkpoint),
    /// The checkpoint, woken up: the session process is dead.
    Woken,
    /// A fork of the checkpoint, to answer a question that is asked over this socket, and to end.
    Query(OwnedFd),
}

/// Why a checkpoint does not sleep.
enum Roused {
    /// The session process is dead.
    Died,
    /// It is asked something over this socket.
    Asked(OwnedFd),
}

/// What the processes are called.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) session: String,
    pub(super) checkpoint: String,
}

/// Forks a checkpoint and dismisses the one before. `zygote` is the parent of all processes of the session; over `looks`
/// the checkpoint is asked.
///
/// When the system has no process or memory left, it is asked again for about two seconds; then this process ends, and the
/// checkpoint before, which is asleep still, takes over.
pub(super) fn make(
    previous: Option<Checkpoint>,
    zygote: Pid,
    names: &Names,
    queries: &OwnedFd,
) -> Made {
    process::set_name(process::NAME_OF_FORKS);
    match attempt() {
        Ok((Side::Parent(_), _, hold)) => {
            process::set_name(&names.session);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            Made::Session(Checkpoint {
                hold: File::from(hold),
            })
        }
        Ok((Side::Child, wake, hold)) => {
            drop(hold);
            if process::die_with_parent(zygote).is_err() {
                exit::now(exit::DONE);
            }
            be_asleep(&names.checkpoint);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            wait(wake.as_fd(), queries, zygote, &names.checkpoint)
        }
        // The hold on the one before is still in scope: it wakes up when this process is dead, and not earlier.
        Err(error) => exit::noting(exit::CHECKPOINT, &error.to_string()),
    }
}

/// Answers questions as a checkpoint does until the daemon hangs up. Returns in the forks that answer one, with the socket
/// over which they are asked.
pub(super) fn stand_in(daemon: &OwnedFd, zygote: Pid, name: &str, queries: &OwnedFd) -> OwnedFd {
    be_asleep(name);
    match wait(daemon.as_fd(), queries, zygote, name) {
        Made::Query(socket) => socket,
        Made::Session(_) | Made::Woken => exit::now(exit::DONE),
    }
}

/// Stops being a session process, for now.
fn be_asleep(name: &str) {
    // What it notes from here on would be taken for the session process's.
    page::leave();
    allocator::start_peak(None);
    process::set_name(name);
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
    /// Tells the checkpoint to end. It may be dead already, or dismissed by somebody else.
    fn dismiss(mut self) {
        let _ = self.hold.write_all(b"d");
    }
}

/// Returns at the end of the stream, and in forks that answer a question; does not return when this checkpoint is dismissed.
fn wait(wake: BorrowedFd<'_>, queries: &OwnedFd, zygote: Pid, name: &str) -> Made {
    let mut queries = Some(queries);
    loop {
        let Ok(roused) = sleep(wake, &mut queries) else {
            exit::now(exit::CHECKPOINT)
        };
        match roused {
            Roused::Died => return Made::Woken,
            Roused::Asked(socket) => {
                process::set_name(process::NAME_OF_FORKS);
                match process::fork(Kinship::Sibling) {
                    Ok(Side::Child) => {
                        exit::be_thrown_away();
                        if process::die_with_parent(zygote).is_err() {
                            exit::now(exit::DONE);
                        }
                        return Made::Query(socket);
                    }
                    // Without a process to answer, the socket is closed, and whoever asks tries again.
                    Ok(Side::Parent(_)) | Err(_) => process::set_name(name),
                }
            }
        }
    }
}

/// Whether the session process is dead, or this checkpoint is dismissed.
fn is_woken(wake: BorrowedFd<'_>) -> io::Result<bool> {
    let mut waited_for = [PollFd::new(wake, PollFlags::POLLIN)];
    let at_once = nix::sys::time::TimeSpec::new(0, 0);
    match ppoll(&mut waited_for, Some(at_once), None) {
        Err(Errno::EINTR) => Ok(false),
        other => Ok(other? > 0),
    }
}

/// Sleeps until the session process is dead or somebody asks something. Looks are not waited for any more once nobody can
/// ask.
fn sleep(wake: BorrowedFd<'_>, queries: &mut Option<&OwnedFd>) -> io::Result<Roused> {
    loop {
        // Nothing is allocated here: each page that a checkpoint writes to is copied for it.
        let second = queries.map_or(wake, AsFd::as_fd);
        let mut waited_for = [wake, second].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let count = if queries.is_some() { 2 } else { 1 };
        match ppoll(&mut waited_for[..count], None, None) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [woken, asked] =
            waited_for.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        if woken {
            match nix::unistd::read(wake, &mut [0]) {
                // The daemon's end is closed with something of ours unread.
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(Roused::Died),
                Ok(_) => exit::now(exit::DONE),
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(socket) = queries.filter(|_| asked) {
            // For a moment there are two checkpoints, and the other one may have been quicker.
            match receive_datagram(socket, &mut [0; QUESTION_BYTES], MsgFlags::MSG_DONTWAIT) {
                Ok(Some((_, Some(socket)))) => {
                    // One that was dismissed meanwhile knows less than what has been answered since.
                    if !is_woken(wake)? {
                        return Ok(Roused::Asked(socket));
                    }
                }
                Ok(Some((_, None))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(None) | Err(_) => *queries = None,
            }
        }
    }
}
