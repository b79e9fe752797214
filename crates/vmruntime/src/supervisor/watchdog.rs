//! Finds out that a zygote has stopped to answer.
//!
//! Most of what a zygote is told has no answer of its own. So some time after it was told something it is asked whether it has
//! taken that; what comes meanwhile is covered by the same question. One that is told nothing is asked nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ipc::HELPER_TIMEOUT;

/// How long after a message it is asked for: many messages have one question together.
const ASK_AFTER: Duration = Duration::from_millis(500);

/// What knows that a zygote was told something.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    is_armed: AtomicBool,
    armed: Notify,
}

/// Follows whether the zygote answers. It belongs to the one who reads what the zygote says.
#[derive(Debug)]
pub(super) struct Watchdog {
    phase: Phase,
    asked: u64,
}

#[derive(Debug)]
enum Phase {
    /// It has taken all that it was told.
    Quiet,
    /// It was told something.
    Told { ask_at: Instant },
    /// It was asked whether it has taken that.
    Asked { due: Instant, may_wait: bool },
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask it the question of this number.
    Ask(u64),
    /// Give it up.
    GiveUp,
}

impl Awaited {
    /// Notes that the zygote was told something. To be called afterwards.
    pub(super) fn note(&self) {
        if !self.is_armed.swap(true, Ordering::AcqRel) {
            self.armed.notify_one();
        }
    }
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Quiet,
            asked: 0,
        }
    }

    /// Waits until something is to be done; for ever while nothing is awaited. Loses nothing when dropped before it is ready.
    pub(super) async fn next(&mut self, awaited: &Awaited) -> Step {
        loop {
            let Some(due) = self.due() else {
                awaited.armed.notified().await;
                self.note_told(Instant::now());
                continue;
            };
            tokio::time::sleep_until(due.into()).await;
            if matches!(self.phase, Phase::Told { .. }) {
                // What comes from here on is not covered by the question.
                awaited.is_armed.store(false, Ordering::Release);
            }
            if let Some(step) = self.go_on(Instant::now()) {
                return step;
            }
        }
    }

    /// When something is to be done next; `None` while nothing is awaited.
    fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Quiet => None,
            Phase::Told { ask_at } => Some(ask_at),
            Phase::Asked { due, .. } => Some(due),
        }
    }

    fn note_told(&mut self, now: Instant) {
        let ask_at = now + ASK_AFTER;
        self.phase = Phase::Told { ask_at };
    }

    /// Does what is due.
    fn go_on(&mut self, now: Instant) -> Option<Step> {
        match self.phase {
            Phase::Quiet => None,
            Phase::Told { .. } => {
                self.asked += 1;
                self.phase = Phase::Asked {
                    due: now + HELPER_TIMEOUT.saturating_sub(ASK_AFTER),
                    may_wait: true,
                };
                Some(Step::Ask(self.asked))
            }
            // The daemon itself stood still, and perhaps the zygote with it.
            Phase::Asked {
                due,
                may_wait: true,
            } if now > due + ASK_AFTER => {
                self.phase = Phase::Asked {
                    due: now + HELPER_TIMEOUT,
                    may_wait: false,
                };
                None
            }
            Phase::Asked { .. } => Some(Step::GiveUp),
        }
    }

    /// Notes that it has answered a question.
    pub(super) fn note_answer(&mut self, number: u64) {
        if number == self.asked {
            self.phase = Phase::Quiet;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_answers_is_not_asked_again() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        assert_eq!(watchdog.due(), None);
        watchdog.note_told(now);
        let due = watchdog.due().unwrap();
        assert_eq!(watchdog.go_on(due), Some(Step::Ask(1)));
        watchdog.note_answer(1);
        assert_eq!(watchdog.due(), None);
    }

    #[test]
    fn one_that_does_not_answer_is_given_up_three_seconds_after_it_was_told() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        watchdog.note_told(now);
        let due = watchdog.due().unwrap();
        assert_eq!(watchdog.go_on(due), Some(Step::Ask(1)));
        watchdog.note_answer(0);
        let due = watchdog.due().unwrap();
        assert_eq!(due, now + HELPER_TIMEOUT);
        assert_eq!(watchdog.go_on(due), Some(Step::GiveUp));
    }

    #[test]
    fn a_daemon_that_stood_still_itself_gives_it_time_once_more() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        watchdog.note_told(now);
        assert_eq!(watchdog.go_on(now + ASK_AFTER), Some(Step::Ask(1)));
        let late = now + 3 * HELPER_TIMEOUT;
        assert_eq!(watchdog.go_on(late), None);
        let due = watchdog.due().unwrap();
        assert_eq!(due, late + HELPER_TIMEOUT);
        assert_eq!(watchdog.go_on(due + HELPER_TIMEOUT), Some(Step::GiveUp));
    }

    #[tokio::test]
    async fn what_is_told_after_a_question_is_asked_for_again() {
        let (awaited, mut watchdog) = (Awaited::default(), Watchdog::new());
        for _ in 0..10 {
            awaited.note();
        }
        assert_eq!(watchdog.next(&awaited).await, Step::Ask(1));
        awaited.note();
        watchdog.note_answer(1);
        assert_eq!(watchdog.next(&awaited).await, Step::Ask(2));
    }
}
