//! Children of the zygote that somebody has stopped.
//!
//! A process that waits for a message can't be told from one that will never take it; only its parent hears from the kernel
//! that it was stopped. One that does not go on within [`HELPER_TIMEOUT`] is killed, and replaced like any other that died:
//! also a checkpoint or a waiting process, which nobody would have missed before it was needed. A run that goes on has a clock of
//! its own.

use std::time::Instant;

use nix::poll::PollTimeout;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::ipc::HELPER_TIMEOUT;

/// The children that are stopped now, and those that were killed for it.
#[derive(Debug, Default)]
pub(super) struct StoppedChildren {
    /// When each was found to be stopped, or was looked at again; the oldest first.
    since: Vec<(Pid, Instant)>,
    /// Killed, and not reaped yet.
    killed: Vec<Pid>,
}

impl StoppedChildren {
    /// Takes the kernel's report that a child was stopped or goes on (`WSTOPPED` or `WCONTINUED`).
    pub(super) fn take_report(&mut self, pid: Pid, report: WaitPidFlag) {
        // The report is taken, so that the kernel does not give it again. It may have been replaced by a newer one.
        let _ = waitid(Id::Pid(pid), report | WaitPidFlag::WNOHANG);
        self.since.retain(|(stopped, _)| *stopped != pid);
        if report == WaitPidFlag::WSTOPPED {
            self.since.push((pid, Instant::now()));
        }
    }

    /// Forgets a dead child that is about to be reaped. Says whether it was killed from here.
    pub(super) fn forget(&mut self, pid: Pid) -> bool {
        self.since.retain(|(stopped, _)| *stopped != pid);
        let killed = self.killed.iter().position(|killed| *killed == pid);
        killed.is_some_and(|index| {
            self.killed.swap_remove(index);
            true
        })
    }

    /// How long the zygote may sleep before one of them has to be killed; without end if none is stopped.
    pub(super) fn timeout(&self) -> PollTimeout {
        let Some((_, since)) = self.since.first() else {
            return PollTimeout::NONE;
        };
        let left = HELPER_TIMEOUT.saturating_sub(since.elapsed());
        // Whole milliseconds, rounded up.
        PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
    }

    /// Kills those that have been stopped for too long. Those in which a run goes on are left to the clock of that.
    pub(super) fn kill_overdue(&mut self, is_running: impl Fn(Pid) -> bool) {
        while let Some((pid, since)) = self.since.first().copied()
            && since.elapsed() >= HELPER_TIMEOUT
        {
            self.since.remove(0);
            if is_running(pid) {
                self.since.push((pid, Instant::now()));
                continue;
            }
            // It is our child and has not been reaped, so that its id can't be anybody else's.
            if kill(pid, Signal::SIGKILL).is_ok() {
                self.killed.push(pid);
            }
        }
    }
}
