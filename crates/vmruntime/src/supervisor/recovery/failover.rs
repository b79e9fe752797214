//! Failover: the session process dies, and its checkpoint is promoted.
//!
//! # What happens, in which order
//!
//! Two processes report the death, on two sockets whose messages have no order among each other:
//!
//! - The kernel closes the pipe that the dead process held, which wakes the checkpoint. The
//!   checkpoint becomes the session process of the next generation, makes a checkpoint of its own,
//!   and sends `Promoted` with the number of runs that its state holds, on the session's socket.
//! - The zygote reaps the dead process and sends its [`Death`] on the zygote's socket: the
//!   generation of the process, the cause, and what its run used.
//!
//! All generations of a session write to one socket. So when the actor reads `Promoted`, it has
//! read everything that the dead process sent, and no later message can change what is known about
//! the run. A promotion is judged as soon as the death of the generation before it is known as well
//! ([`Failovers::next`]), in the order of the generations. If the death is reported first, the
//! promotion has a deadline ([`PROMOTION_TIMEOUT`](super::phase::PROMOTION_TIMEOUT)). If the
//! promotion is reported first, the zygote's watchdog bounds the wait for the death.
//!
//! # How a promotion is judged
//!
//! The actor counts the runs that it knows to be committed; `Promoted` says how many runs the
//! promoted state holds. [`judge`] compares the two numbers, in this order:
//!
//! 1. The promoted state holds one run more than is known, and the script of the run has ended: the
//!    process died after it had made its checkpoint and before it had sent `Committed`. The run is
//!    committed. The same holds if the commit is known already and the numbers are equal: the
//!    process was killed too late.
//! 2. The promoted state holds fewer runs than are known, and the replay log has all runs in
//!    between: the new process replays them.
//! 3. The numbers are equal, and the run is not committed: the run is undone.
//! 4. Anything else: the process and its newest checkpoint died together, or a process reported a
//!    wrong number. The state is lost, and the session ends as crashed.
//!
//! A run that is undone is sent to the new process if the dead one had not begun it and was killed
//! from outside. Otherwise it is rolled back, and the cause of the death becomes its failure.
//!
//! # Why this is right
//!
//! - No run is applied twice. A process sends `Started` before it evaluates anything, on the socket
//!   that the actor reads before `Promoted`. So a run that is sent again had no effect, neither on
//!   the heap nor outside the process.
//! - No committed run is lost without an error. States are counted: a checkpoint that is older than
//!   what was answered either replays exactly the runs that it lacks, or the session ends as
//!   crashed.
//! - There is never more than one session process. A checkpoint is promoted only by the end of its
//!   pipe. When there are two checkpoints for a moment, both the newer one and the process that
//!   made them dismiss the older one (`worker/checkpoint.rs`). Messages name the generation that
//!   they are for, and a process drops messages for another one.

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

/// The deaths and promotions whose counterpart has not been reported yet.
#[derive(Debug, Default)]
pub(crate) struct Failovers {
    /// The deaths, by the generation of the dead process.
    deaths: HashMap<u32, Death>,
    /// The promotions, the oldest first.
    promotions: VecDeque<Promotion>,
}

impl Failovers {
    /// Records how the process of a generation died.
    pub(crate) fn note_death(&mut self, generation: u32, death: Death) {
        self.deaths.insert(generation, death);
    }

    /// Records that a checkpoint was promoted.
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

    /// Whether a promotion was reported whose death has not been.
    pub(crate) fn awaits_death(&self) -> bool {
        !self.promotions.is_empty()
    }

    /// Removes and returns the death of a generation; `None` if it was not reported, or if its
    /// promotion has been judged.
    pub(crate) fn take_death(&mut self, generation: u32) -> Option<Death> {
        self.deaths.remove(&generation)
    }

    /// Removes everything. It is called when the session has no process left.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The progress of the run at the time when its process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunProgress {
    /// Its script has not ended.
    UnderWay,
    /// Its script has ended by itself, and its commit was not reported.
    Ended,
    /// Its commit was reported.
    Committed,
}

/// What the state of a new process means for the session and its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The state holds the run: the run is committed.
    RunCommitted,
    /// The state lacks committed runs, which the process has to replay.
    Replay,
    /// The state is the committed state, without the run that was under way (if there was one): the
    /// run is undone.
    RunUndone,
    /// No process can be brought to the committed state: it is lost.
    StateLost,
}

/// Judges a state that holds `commits` runs of a session that has committed `committed` runs, as
/// far as the actor knows. `run` is the progress of the run that was under way; `None` if there was
/// none. `missing` are the logged runs that the session's newest checkpoint lacks.
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
        // No checkpoint holds a run whose script has not ended.
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
