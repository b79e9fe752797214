//! Notices when a zygote does not answer any more.
//!
//! Most messages to a zygote have no answer of their own. So some time after a message the zygote
//! is sent a ping, which it answers when it has taken all messages before it: one ping covers the
//! messages of that time. A zygote that is sent no message is sent no ping.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ipc::HELPER_TIMEOUT;

/// How long after a message the ping is sent: many messages have one ping together.
const PING_AFTER: Duration = Duration::from_millis(500);

/// Notes that a zygote was sent a message.
#[derive(Debug, Default)]
pub(super) struct SentMessages {
    is_armed: AtomicBool,
    armed: Notify,
}

/// Follows whether a zygote answers. It belongs to the task that reads the zygote's messages.
#[derive(Debug)]
pub(super) struct Watchdog {
    state: State,
    /// The number of the newest ping.
    pings: u64,
}

#[derive(Debug)]
enum State {
    /// The zygote has taken all messages.
    Quiet,
    /// It was sent a message.
    Sent { ping_at: Instant },
    /// It was sent a ping.
    Pinged {
        due: Instant,
        /// Whether it may get more time, if the daemon itself stood still.
        may_extend: bool,
    },
}

/// What the caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send the ping of this number.
    Ping(u64),
    /// Give the zygote up.
    GiveUp,
}

impl SentMessages {
    /// Notes that the zygote was sent a message. To be called afterwards.
    pub(super) fn note(&self) {
        if !self.is_armed.swap(true, Ordering::AcqRel) {
            self.armed.notify_one();
        }
    }
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self {
            state: State::Quiet,
            pings: 0,
        }
    }

    /// Waits for the next step; for ever while no answer is awaited. It is cancel safe.
    pub(super) async fn next(&mut self, sent: &SentMessages) -> Step {
        loop {
            let Some(due) = self.due() else {
                sent.armed.notified().await;
                self.note_message(Instant::now());
                continue;
            };
            tokio::time::sleep_until(due.into()).await;
            if matches!(self.state, State::Sent { .. }) {
                // Messages from here on are not covered by this ping.
                sent.is_armed.store(false, Ordering::Release);
            }
            if let Some(step) = self.advance(Instant::now()) {
                return step;
            }
        }
    }

    /// When the next step is due; `None` while no answer is awaited.
    fn due(&self) -> Option<Instant> {
        match self.state {
            State::Quiet => None,
            State::Sent { ping_at } => Some(ping_at),
            State::Pinged { due, .. } => Some(due),
        }
    }

    fn note_message(&mut self, now: Instant) {
        let ping_at = now + PING_AFTER;
        self.state = State::Sent { ping_at };
    }

    /// Takes the step that is due at `now`; `None` if the caller has nothing to do.
    fn advance(&mut self, now: Instant) -> Option<Step> {
        match self.state {
            State::Quiet => None,
            State::Sent { .. } => {
                self.pings += 1;
                self.state = State::Pinged {
                    due: now + HELPER_TIMEOUT.saturating_sub(PING_AFTER),
                    may_extend: true,
                };
                Some(Step::Ping(self.pings))
            }
            // The daemon itself stood still, and perhaps the zygote with it.
            State::Pinged {
                due,
                may_extend: true,
            } if now > due + PING_AFTER => {
                self.state = State::Pinged {
                    due: now + HELPER_TIMEOUT,
                    may_extend: false,
                };
                None
            }
            State::Pinged { .. } => Some(Step::GiveUp),
        }
    }

    /// Notes that the zygote has answered a ping.
    pub(super) fn note_answer(&mut self, number: u64) {
        if number == self.pings {
            self.state = State::Quiet;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zygote_that_answers_is_sent_no_other_ping() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        assert_eq!(watchdog.due(), None);
        watchdog.note_message(now);
        let due = watchdog.due().unwrap();
        assert_eq!(watchdog.advance(due), Some(Step::Ping(1)));
        watchdog.note_answer(1);
        assert_eq!(watchdog.due(), None);
    }

    #[test]
    fn a_zygote_that_does_not_answer_is_given_up_three_seconds_after_a_message() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        watchdog.note_message(now);
        let due = watchdog.due().unwrap();
        assert_eq!(watchdog.advance(due), Some(Step::Ping(1)));
        watchdog.note_answer(0);
        let due = watchdog.due().unwrap();
        assert_eq!(due, now + HELPER_TIMEOUT);
        assert_eq!(watchdog.advance(due), Some(Step::GiveUp));
    }

    #[test]
    fn a_daemon_that_stood_still_itself_gives_the_zygote_more_time() {
        let (mut watchdog, now) = (Watchdog::new(), Instant::now());
        watchdog.note_message(now);
        assert_eq!(watchdog.advance(now + PING_AFTER), Some(Step::Ping(1)));
        let late = now + 3 * HELPER_TIMEOUT;
        assert_eq!(watchdog.advance(late), None);
        let due = watchdog.due().unwrap();
        assert_eq!(due, late + HELPER_TIMEOUT);
        assert_eq!(watchdog.advance(due + HELPER_TIMEOUT), Some(Step::GiveUp));
    }

    #[tokio::test]
    async fn a_message_after_a_ping_gets_another_ping() {
        let (sent, mut watchdog) = (SentMessages::default(), Watchdog::new());
        for _ in 0..10 {
            sent.note();
        }
        assert_eq!(watchdog.next(&sent).await, Step::Ping(1));
        sent.note();
        watchdog.note_answer(1);
        assert_eq!(watchdog.next(&sent).await, Step::Ping(2));
    }
}
