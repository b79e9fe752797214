//! Children of the zygote that were stopped by a signal.
//!
//! A process that waits for a message can't be told from one that will never take it; only its
//! parent is told by the kernel that it was stopped. A process that is not continued within
//! [`HELPER_TIMEOUT`] is killed, and replaced like any other that died: also a checkpoint or a
//! process that was forked ahead, which would otherwise be missed only when it is needed. A process
//! with a run in it is left alone: the run has clocks of its own.

use std::time::Instant;

use nix::poll::PollTimeout;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::ipc::HELPER_TIMEOUT;

/// The children that are stopped at the moment, and those that were killed for it.
#[derive(Debug, Default)]
pub(super) struct StoppedChildren {
    /// When each was found to be stopped, or was last checked; the oldest first.
    since: Vec<(Pid, Instant)>,
    /// Killed, and not reaped yet.
    killed: Vec<Pid>,
}

impl StoppedChildren {
    /// Takes the kernel's report that a child was stopped or continued (`WSTOPPED` or
    /// `WCONTINUED`).
    pub(super) fn take_report(&mut self, pid: Pid, report: WaitPidFlag) {
        // The report is taken, so that the kernel does not repeat it. A newer one may have replaced
        // it.
        let _ = waitid(Id::Pid(pid), report | WaitPidFlag::WNOHANG);
        self.since.retain(|(stopped, _)| *stopped != pid);
        if report == WaitPidFlag::WSTOPPED {
            self.since.push((pid, Instant::now()));
        }
    }

    /// Forgets a dead child that is about to be reaped. Returns whether it was killed from here.
    pub(super) fn forget(&mut self, pid: Pid) -> bool {
        self.since.retain(|(stopped, _)| *stopped != pid);
        let killed = self.killed.iter().position(|killed| *killed == pid);
        killed.is_some_and(|index| {
            self.killed.swap_remove(index);
            true
        })
    }

    /// How long the zygote may sleep before one of them has to be killed; without a limit if none
    /// is stopped.
    pub(super) fn timeout(&self) -> PollTimeout {
        let Some((_, since)) = self.since.first() else {
            return PollTimeout::NONE;
        };
        let left = HELPER_TIMEOUT.saturating_sub(since.elapsed());
        // Whole milliseconds, rounded up.
        PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
    }

    /// Kills those that have been stopped for too long, except those with a run in them.
    pub(super) fn kill_overdue(&mut self, is_running: impl Fn(Pid) -> bool) {
        while let Some((pid, since)) = self.since.first().copied()
            && since.elapsed() >= HELPER_TIMEOUT
        {
            self.since.remove(0);
            if is_running(pid) {
                self.since.push((pid, Instant::now()));
                continue;
            }
            // It is our child and has not been reaped, so that its id can't be another process's.
            if kill(pid, Signal::SIGKILL).is_ok() {
                self.killed.push(pid);
            }
        }
    }
}
