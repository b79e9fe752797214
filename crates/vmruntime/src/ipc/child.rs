//! Detection of children of the daemon that were stopped by a signal.
//!
//! A child that sends nothing may be working. But the kernel reports to a parent whether a child is
//! stopped; a stopped child will not answer.

use std::time::{Duration, Instant};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::process::Child;

use crate::ipc::HELPER_TIMEOUT;

/// How often the state of a child is checked while its answer is awaited.
const TICK: Duration = Duration::from_millis(500);

/// The process id of a child; `None` once it has been reaped.
pub(crate) fn pid_of(child: &Child) -> Option<Pid> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    pid.map(Pid::from_raw)
}

/// Whether a child is stopped at the moment.
pub(crate) fn is_stopped(child: Pid) -> bool {
    let peek = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    matches!(
        waitid(Id::Pid(child), peek),
        Ok(WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..))
    )
}

/// Waits until a child has been stopped for [`HELPER_TIMEOUT`]. It never returns if the child is
/// not stopped, or if `child` is `None`.
pub(crate) async fn stopped_for_long(child: Option<Pid>) {
    let Some(child) = child else {
        return std::future::pending().await;
    };
    let mut since = None;
    loop {
        if is_stopped(child) {
            let since = *since.get_or_insert_with(Instant::now);
            if since.elapsed() >= HELPER_TIMEOUT {
                return;
            }
        } else {
            since = None;
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The predicate of a sentence about a helper process that was killed.
pub(crate) fn no_answer() -> String {
    format!("did not answer for {} s", HELPER_TIMEOUT.as_secs())
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, kill};

    use super::*;

    #[tokio::test]
    async fn a_stopped_child_is_detected_and_a_continued_one_is_not() {
        let mut child = tokio::process::Command::new("sleep")
            .arg("600")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = pid_of(&child).unwrap();
        assert!(!is_stopped(pid));
        kill(pid, Signal::SIGSTOP).unwrap();
        while !is_stopped(pid) {
            std::thread::yield_now();
        }
        // Reading the state does not change it.
        assert!(is_stopped(pid));
        kill(pid, Signal::SIGCONT).unwrap();
        while is_stopped(pid) {
            std::thread::yield_now();
        }
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        assert!(!is_stopped(pid));
    }
}
