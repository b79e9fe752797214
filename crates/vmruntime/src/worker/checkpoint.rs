//! Checkpoints: a fork of a session process that sleeps with the heap as it was, to take over or be dismissed.
//!
//! A checkpoint waits on a pipe whose other end the session process holds. A byte means that it is dismissed; the end of
//! the stream means that the session process is dead, and that the checkpoint is the session process from now on.
//!
//! A new checkpoint is made before the old one is dismissed, so that there is one at every moment. The new one and the
//! session process both dismiss the old one: whichever of the two dies in between, the other does it, and never do two
//! processes believe to be the session process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::unistd::{Pid, pipe};

use super::exit;
use super::process::{self, Kinship, Side};

/// How often a fork that was refused is tried again.
const ATTEMPTS: u32 = 100;

/// How long to wait before it is.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

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
}

/// Forks a checkpoint and dismisses the one before. `zygote` is the parent of all processes of the session, `name` what
/// the checkpoint is called.
///
/// When the system has no process or memory left, it is asked again for some seconds; then this process ends, and the
/// checkpoint before, which is asleep still, takes over.
pub(super) fn make(previous: Option<Checkpoint>, zygote: Pid, name: &str) -> Made {
    match attempt() {
        Ok((Side::Parent(_), _, hold)) => {
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
            process::set_name(name);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            sleep(wake);
            Made::Woken
        }
        // The hold on the one before is still in scope: it wakes up when this process is dead, and not earlier.
        Err(error) => exit::noting(exit::CHECKPOINT, &error.to_string()),
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
    /// Tells the checkpoint to end. It may be dead already, or dismissed by somebody else.
    fn dismiss(mut self) {
        let _ = self.hold.write_all(b"d");
    }
}

/// Returns when the session process is dead; does not return when this checkpoint is dismissed.
fn sleep(wake: OwnedFd) {
    let mut wake = File::from(wake);
    loop {
        match wake.read(&mut [0]) {
            Ok(0) => return,
            Ok(_) => exit::now(exit::DONE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => exit::now(exit::CHECKPOINT),
        }
    }
}
