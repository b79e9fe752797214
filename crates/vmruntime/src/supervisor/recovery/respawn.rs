//! Respawn: a session without a process gets a new one, whose state is what the session has
//! committed.
//!
//! # When
//!
//! - **The process died, and there is no checkpoint; the log is complete.** All processes of a
//!   session share one socket, so the end of the socket says that all of them have ended and that
//!   every message of theirs has been read. The actor decides nothing before that: a message that
//!   is still in the socket may be a commit.
//! - **The process and the checkpoint died; the log is complete.** As above.
//! - **The zygote died; the log is complete.** All its processes die with it. The session moves to
//!   another zygote. It can't if a library used nondeterministic inputs when the zygote loaded it,
//!   because another zygote has another state then.
//! - **A promoted checkpoint lacks committed runs** ([`failover`](super::failover)). There is a
//!   process already, and only steps 4 and 5 follow.
//!
//! # How
//!
//! 1. The zygote kills and reaps what is left of the session's process group, so that no earlier
//!    process can do anything any more.
//! 2. The zygote forks a new process, under the same number and with the first generation. If it
//!    can't, because the system has no process or memory left, the fork is ordered again, up to
//!    [`MAX_ATTEMPTS`] times.
//! 3. The process is set up with the seed and sends `Ready`.
//! 4. If the session has committed runs, the process replays those that it lacks, makes a
//!    checkpoint and sends `Committed`.
//! 5. The run that was under way is judged as after a promotion, by the death that began the
//!    respawn: it is sent again if it had not begun, and rolled back otherwise.
//!
//! If the new process dies before step 5, the steps are repeated with the same [`Respawn`].
//!
//! # Why this is right
//!
//! From the first step to the last no run begins and no run continues
//! ([`Phase::accepts_work`](super::phase::Phase::accepts_work)): the clock of the run is paused,
//! its host call was aborted, and commands wait in their queue. So nothing is committed between the
//! death and the judgement, and the number of commits that the actor knows is the number that the
//! new state must have.
//!
//! A respawn ends in any case: the number of forks is bounded ([`MAX_ATTEMPTS`]), and so are the
//! number of processes that die of themselves ([`MAX_FAILURES`]; a replay that diverges does so
//! each time) and the time ([`RESPAWN_TIMEOUT`]).

use std::time::{Duration, Instant};

use crate::ipc::{Death, DeathCause};
use crate::supervisor::end_reason::EndReason;

/// How many forks are ordered for a session that has lost its process. The system may have no room
/// for a process at the moment, or the new process may be killed as well.
pub(crate) const MAX_ATTEMPTS: u32 = 100;

/// How long to wait before each further fork.
pub(crate) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How long a respawn may take, with all its attempts.
pub(crate) const RESPAWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many processes of a session may die of themselves before one has the committed state. The
/// process that the session lost first counts; a process that was killed by `SIGKILL` does not.
const MAX_FAILURES: u32 = 3;

/// The respawn of a session: no process has its committed state yet.
#[derive(Clone, Debug)]
pub(crate) struct Respawn {
    /// How the session's own process died.
    after: Death,
    /// How many forks were ordered.
    attempts: u32,
    /// How many processes have died of themselves.
    failures: u32,
    /// When a process must have the state.
    due: Instant,
}

impl Respawn {
    /// Begins the respawn of a session whose process died as `after` says.
    pub(crate) fn new(after: Death) -> Self {
        Self {
            after,
            attempts: 0,
            failures: 0,
            due: Instant::now() + RESPAWN_TIMEOUT,
        }
    }

    /// How the session's own process died.
    pub(crate) fn after(&self) -> &Death {
        &self.after
    }

    /// When a process must have the state.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Counts a fork that is about to be ordered. Returns its number, from 1; `None` if
    /// [`MAX_ATTEMPTS`] were ordered already.
    pub(crate) fn next_attempt(&mut self) -> Option<u32> {
        if self.attempts == MAX_ATTEMPTS {
            return None;
        }
        self.attempts += 1;
        Some(self.attempts)
    }

    /// Counts the death of a process that did not reach the committed state, if the process died of
    /// itself.
    ///
    /// # Errors
    /// When more than [`MAX_FAILURES`] processes have died of themselves.
    pub(crate) fn note_death(&mut self, death: &Death) -> Result<(), EndReason> {
        if death.cause != DeathCause::KILLED {
            self.failures += 1;
        }
        if self.failures > MAX_FAILURES {
            return Err(EndReason::ReplayFailed(death.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::ExitCause;

    fn death(cause: DeathCause) -> Death {
        Death {
            generation: Some(1),
            cause,
            note: None,
            usage: None,
        }
    }

    #[test]
    fn attempts_are_counted_and_bounded() {
        let mut respawn = Respawn::new(death(DeathCause::KILLED));
        for attempt in 1..=MAX_ATTEMPTS {
            assert_eq!(respawn.next_attempt(), Some(attempt));
        }
        assert_eq!(respawn.next_attempt(), None);
    }

    #[test]
    fn processes_that_are_killed_are_no_failures_and_those_that_diverge_are() {
        let mut respawn = Respawn::new(death(DeathCause::KILLED));
        for _ in 0..2 * MAX_FAILURES {
            respawn.note_death(&death(DeathCause::KILLED)).unwrap();
        }
        let diverged = death(DeathCause::Exited(ExitCause::ReplayDiverged));
        for _ in 0..MAX_FAILURES {
            respawn.note_death(&diverged).unwrap();
        }
        assert!(matches!(
            respawn.note_death(&diverged),
            Err(EndReason::ReplayFailed(last)) if last == diverged
        ));
    }
}
