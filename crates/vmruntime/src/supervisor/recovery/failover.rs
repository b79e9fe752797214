//! Failover: the session process dies, and its checkpoint is promoted.
//!
//! # What happens, in which order
//!
//! The death is reported twice, on two sockets whose messages have no order among each other:
//!
//! - The kernel closes the pipe that the process held, which wakes the checkpoint. The checkpoint
//!   becomes the session process of the next generation, makes a checkpoint of its own, and sends
//!   `Promoted` with the number of runs that its state holds, on the session's socket.
//! - The zygote reaps the process and sends the [`Death`], with the generation of the process, the
//!   cause, and what its run used, on the zygote's socket.
//!
//! All generations of a session write to one socket. So when `Promoted` is read, everything that
//! the dead process sent has been read: no message of it can change the picture any more. What
//! `Promoted` means for the run can be judged once the death is known as well
//! ([`Failovers::next`]), and then it is judged at once, in the order of the generations. If the
//! death is reported first, the promotion has a deadline; if the promotion is first, the zygote's
//! watchdog bounds the wait for the death.
//!
//! # What it means
//!
//! The actor counts the runs that it knows to be committed; the promoted state says how many it
//! holds. [`judge`] compares them:
//!
//! | promoted state | the run | verdict |
//! |---|---|---|
//! | one more than known | has ended | the process died between its commit and the message of that: the run is committed |
//! | as many as known | is committed already | the process died after its commit: nothing is lost |
//! | fewer than known, and the replay log has the rest | any | the state is behind: it replays |
//! | as many as known | has not ended | the run is undone |
//! | anything else | any | process and newest checkpoint died together: the state is lost |
//!
//! A run that is undone is handed to the new process if it can't have begun and its process was
//! killed from outside. Otherwise it is rolled back, and the death says why.
//!
//! # Why it is right
//!
//! - A run is never applied twice. A process that has begun a run says `Started` before it evaluates
//!   anything, on the socket that is read before `Promoted`; so a run that is handed out again had no
//!   effect, neither on the heap nor on the world.
//! - No committed run is lost silently. States are counted: a checkpoint that is older than what was
//!   answered either replays exactly the runs that it lacks, or the session ends as crashed.
//! - No two processes are the session process. A checkpoint is promoted only by the end of its pipe;
//!   a newer checkpoint dismisses the older one, and so does the process that made both. Messages
//!   carry the generation that they are for, and a process drops those for another one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ipc::{Death, LoggedRun};

/// A checkpoint that has become the session process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promotion {
    /// The generation that it is now.
    pub(crate) generation: u32,
    /// How many runs its state holds.
    pub(crate) commits: u64,
}

/// Deaths and promotions whose counterpart has not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Failovers {
    /// By the generation of the process that died.
    deaths: HashMap<u32, Death>,
    /// The oldest first.
    promotions: VecDeque<Promotion>,
}

impl Failovers {
    /// Notes how the process of a generation died.
    pub(crate) fn note_death(&mut self, generation: u32, death: Death) {
        self.deaths.insert(generation, death);
    }

    pub(crate) fn note_promotion(&mut self, promotion: Promotion) {
        self.promotions.push_back(promotion);
    }

    /// The next promotion, with the death of the process before it; `None` while either is missing.
    pub(crate) fn next(&mut self) -> Option<(Promotion, Death)> {
        let promotion = *self.promotions.front()?;
        let death = self.deaths.remove(&promotion.generation.checked_sub(1)?)?;
        self.promotions.pop_front();
        Some((promotion, death))
    }

    /// Whether a promotion was reported, and the death before it was not.
    pub(crate) fn awaits_death(&self) -> bool {
        !self.promotions.is_empty()
    }

    /// How the process of a generation died, if that was reported and no promotion was.
    pub(crate) fn take_death(&mut self, generation: u32) -> Option<Death> {
        self.deaths.remove(&generation)
    }

    /// Forgets everything, when no process is left.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How far the run is when its process has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunProgress {
    /// It has not ended.
    UnderWay,
    /// It has ended by itself, and its commit was not reported.
    Ended,
    /// Its commit was reported.
    Committed,
}

/// What a new state means for the session and its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The state holds the run: the run is committed.
    RunCommitted,
    /// The state is behind, and has to replay.
    Replay,
    /// The state is what the session had committed before the run, if there is one: the run is
    /// undone.
    RunUndone,
    /// The session's state is lost.
    StateLost,
}

/// Judges a state that holds `commits` runs, when the session is known to have committed
/// `committed`. `run` is how far its run is; `None` without one. `missing` are the logged runs that
/// its newest checkpoint lacks.
pub(crate) fn judge(
    commits: u64,
    committed: u64,
    run: Option<RunProgress>,
    missing: &[Arc<LoggedRun>],
) -> Verdict {
    let has_ended = matches!(run, Some(RunProgress::Ended | RunProgress::Committed));
    let is_committed = run == Some(RunProgress::Committed);
    if (has_ended && commits == committed + 1) || (is_committed && commits == committed) {
        Verdict::RunCommitted
    } else if commits < committed && !missing.is_empty() && LoggedRun::go_on_from(missing, commits)
    {
        Verdict::Replay
    } else if commits == committed {
        Verdict::RunUndone
    } else {
        Verdict::StateLost
    }
}

#[cfg(test)]
mod tests {
    use vmapi_types::Limits;
    use vmcontrol::runtime::{RunMode, RunRequest};

    use super::*;
    use crate::ipc::{DeathCause, Trace};

    fn death(generation: u32) -> Death {
        Death {
            generation: Some(generation),
            cause: DeathCause::KILLED,
            note: None,
            usage: None,
        }
    }

    fn promotion(generation: u32) -> Promotion {
        Promotion {
            generation,
            commits: 0,
        }
    }

    fn log(commits: impl IntoIterator<Item = u64>) -> Vec<Arc<LoggedRun>> {
        let logged = |commits| {
            Arc::new(LoggedRun {
                commits,
                request: Arc::new(RunRequest {
                    source: "1".into(),
                    name: "repl".into(),
                    mode: RunMode::Repl,
                    limits: Limits::default(),
                    charge: Arc::default(),
                }),
                trace: Trace::default(),
            })
        };
        commits.into_iter().map(logged).collect()
    }

    #[test]
    fn a_promotion_is_judged_once_the_death_before_it_is_known_whichever_comes_first() {
        let mut failovers = Failovers::default();
        failovers.note_promotion(promotion(2));
        assert_eq!(failovers.next(), None);
        assert!(failovers.awaits_death());
        failovers.note_death(1, death(1));
        assert_eq!(failovers.next(), Some((promotion(2), death(1))));
        assert!(!failovers.awaits_death());
        failovers.note_death(2, death(2));
        assert_eq!(failovers.next(), None);
        failovers.note_promotion(promotion(3));
        assert_eq!(failovers.next(), Some((promotion(3), death(2))));
    }

    #[test]
    fn promotions_are_judged_in_their_order() {
        let mut failovers = Failovers::default();
        failovers.note_promotion(promotion(2));
        failovers.note_promotion(promotion(3));
        failovers.note_death(2, death(2));
        assert_eq!(failovers.next(), None);
        failovers.note_death(1, death(1));
        assert_eq!(failovers.next(), Some((promotion(2), death(1))));
        assert_eq!(failovers.next(), Some((promotion(3), death(2))));
    }

    #[test]
    fn a_state_that_holds_the_run_makes_it_committed() {
        use RunProgress::{Committed, Ended, UnderWay};
        assert_eq!(judge(5, 4, Some(Ended), &[]), Verdict::RunCommitted);
        assert_eq!(judge(5, 5, Some(Committed), &[]), Verdict::RunCommitted);
        assert_eq!(judge(4, 4, Some(Ended), &[]), Verdict::RunUndone);
        // A script that has not ended can't be in a checkpoint.
        assert_eq!(judge(5, 4, Some(UnderWay), &[]), Verdict::StateLost);
    }

    #[test]
    fn a_state_that_is_behind_replays_if_the_log_goes_on_from_it() {
        for run in [None, Some(RunProgress::UnderWay), Some(RunProgress::Ended)] {
            assert_eq!(judge(3, 5, run, &log([4, 5])), Verdict::Replay);
            assert_eq!(judge(2, 5, run, &log([4, 5])), Verdict::StateLost);
            assert_eq!(judge(3, 5, run, &[]), Verdict::StateLost);
        }
    }

    #[test]
    fn a_state_as_it_was_committed_undoes_the_run() {
        for run in [None, Some(RunProgress::UnderWay)] {
            assert_eq!(judge(5, 5, run, &log([4, 5])), Verdict::RunUndone);
        }
        assert_eq!(judge(6, 5, None, &[]), Verdict::StateLost);
    }
}
