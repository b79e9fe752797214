//! Children of the zygote that were stopped by a signal.
//!
//! A process that waits for a message looks the same from outside as one that is stopped and will
//! never read the message. Only the parent of a process gets a report from the kernel when the
//! process is stopped. A process that is not continued within [`HELPER_TIMEOUT`] is killed, and is
//! replaced as after any other death. That includes checkpoints and processes that were forked
//! ahead, whose absence would otherwise be noticed only when they are needed. A process that runs a
//! script is not killed here, because the timers of the run bound it.

use std::time::Instant;

use nix::poll::PollTimeout;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::ipc::HELPER_TIMEOUT;

/// The children that are stopped at the moment, and those that were killed because they were.
#[derive(Debug, Default)]
pub(super) struct StoppedChildren {
    /// The stopped children, with the time when each was found to be stopped or was last checked;
    /// the oldest first.
    since: Vec<(Pid, Instant)>,
    /// The children that were killed here and have not been reaped.
    killed: Vec<Pid>,
}

impl StoppedChildren {
    /// Takes the kernel's report that a child was stopped or continued (`WSTOPPED` or
    /// `WCONTINUED`).
    pub(super) fn take_report(&mut self, pid: Pid, report: WaitPidFlag) {
        // Taking the report keeps the kernel from repeating it. It fails if a newer report has
        // replaced it.
        let _ = waitid(Id::Pid(pid), report | WaitPidFlag::WNOHANG);
        self.since.retain(|(stopped, _)| *stopped != pid);
        if report == WaitPidFlag::WSTOPPED {
            self.since.push((pid, Instant::now()));
        }
    }

    /// Removes a dead child that is about to be reaped. Returns whether it was killed here.
    pub(super) fn forget(&mut self, pid: Pid) -> bool {
        self.since.retain(|(stopped, _)| *stopped != pid);
        let killed = self.killed.iter().position(|killed| *killed == pid);
        killed.is_some_and(|index| {
            self.killed.swap_remove(index);
            true
        })
    }

    /// How long the zygote may sleep before a child has to be killed; without a limit if none is
    /// stopped.
    pub(super) fn timeout(&self) -> PollTimeout {
        let Some((_, since)) = self.since.first() else {
            return PollTimeout::NONE;
        };
        let left = HELPER_TIMEOUT.saturating_sub(since.elapsed());
        // Whole milliseconds, rounded up.
        PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
    }

    /// Kills the children that have been stopped for [`HELPER_TIMEOUT`], except those that run a
    /// script, as `is_running` says.
    pub(super) fn kill_overdue(&mut self, is_running: impl Fn(Pid) -> bool) {
        while let Some((pid, since)) = self.since.first().copied()
            && since.elapsed() >= HELPER_TIMEOUT
        {
            self.since.remove(0);
            if is_running(pid) {
                self.since.push((pid, Instant::now()));
                continue;
            }
            // The process is a child that has not been reaped, so that its id can't belong to
            // another process.
            if kill(pid, Signal::SIGKILL).is_ok() {
                self.killed.push(pid);
            }
        }
    }
}
