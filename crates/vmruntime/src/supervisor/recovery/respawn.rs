//! Respawning: a session without a process gets one whose state is what the session has committed.
//!
//! # When
//!
//! - **No checkpoint, complete log.** The session process dies, and no checkpoint is there to be
//!   promoted. All processes of a session share one socket, so its end says that all are gone and
//!   that every message of theirs has been read. Only then is anything decided: a message that was
//!   still in the socket may be a commit.
//! - **Checkpoint and process lost, complete log.** The same: the end of the socket is what counts.
//! - **Zygote lost, complete log.** All its processes die with it. The session moves to another
//!   zygote, unless a library asked for nondeterministic inputs when it was loaded: then another
//!   zygote has another state.
//! - **A promoted checkpoint is behind** ([`failover`](super::failover)): there is a process, and it
//!   has to replay what it lacks.
//!
//! # How
//!
//! 1. What is left of the session's process group is killed and reaped, so that no earlier process
//!    can do anything any more.
//! 2. The zygote forks another process, under the same number and with the first generation. If the
//!    system has no room for it, it is asked again, up to [`MAX_ATTEMPTS`] times.
//! 3. The process is set up from the seed, and says that it is ready.
//! 4. If the session has committed runs, the process replays them and makes a checkpoint, and so has
//!    the committed state.
//! 5. The run that was under way is judged as after a promotion, by the death that began all this: it
//!    is handed out again if it had not begun, and rolled back otherwise.
//!
//! If the new process dies in between, the steps are repeated, with the same [`Respawn`].
//!
//! # Why it is right
//!
//! From the first step to the last the session begins nothing and goes on with nothing
//! ([`Phase::is_settled`](super::phase::Phase::is_settled)): the run's clock stands still, its host
//! call has been aborted, and commands wait. So between the death and the judgement nothing is
//! committed, and the number of commits that the actor knows is the number that the new state must
//! have.
//!
//! It ends: by the number of attempts, by the number of processes that die of themselves
//! ([`MAX_FAILURES`]: a replay that diverges does so each time), and by the deadline.

use std::time::{Duration, Instant};

use crate::ipc::{Death, DeathCause};
use crate::supervisor::end_reason::EndReason;

/// How often a process is asked for, for a session that has lost its own: the system may have no
/// room for it at the moment, or the new one may be killed, too.
pub(crate) const MAX_ATTEMPTS: u32 = 100;

/// How long to wait between two attempts.
pub(crate) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How long all attempts together may take.
pub(crate) const RESPAWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of a session's processes, the one that was lost first included, may die of themselves
/// before one has the committed state. Those that were killed don't count.
const MAX_FAILURES: u32 = 3;

/// A session without a process that has its committed state.
#[derive(Clone, Debug)]
pub(crate) struct Respawn {
    /// How the session's own process died.
    after: Death,
    /// How often another process was asked for.
    attempts: u32,
    /// How many processes have died of themselves.
    failures: u32,
    /// When a process must have the state.
    due: Instant,
}

impl Respawn {
    /// For a session whose process died like this.
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

    /// Counts an attempt. Returns its number, from 1; `None` when there have been enough.
    pub(crate) fn next_attempt(&mut self) -> Option<u32> {
        if self.attempts == MAX_ATTEMPTS {
            return None;
        }
        self.attempts += 1;
        Some(self.attempts)
    }

    /// Counts the death of a process that did not have the state, if it died of itself.
    ///
    /// # Errors
    /// When there have been too many.
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
