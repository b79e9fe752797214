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

use nix::unistd::{Pid, pipe};

use super::exit;
use super::process::{self, Kinship, Side};

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
/// # Errors
/// When the system has no process or memory left. The session process must end then: the one before is asleep still, and
/// takes over.
pub(super) fn make(previous: Option<Checkpoint>, zygote: Pid, name: &str) -> io::Result<Made> {
    let (wake, hold) = pipe()?;
    match process::fork(Kinship::Sibling)? {
        Side::Parent(_) => {
            drop(wake);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            Ok(Made::Session(Checkpoint {
                hold: File::from(hold),
            }))
        }
        Side::Child => {
            drop(hold);
            if process::die_with_parent(zygote).is_err() {
                exit::now(exit::DONE);
            }
            process::set_name(name);
            if let Some(previous) = previous {
                previous.dismiss();
            }
            sleep(wake);
            Ok(Made::Woken)
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
