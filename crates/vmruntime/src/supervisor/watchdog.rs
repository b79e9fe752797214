//! The watchdog of a zygote: it detects that the zygote does not answer any more.
//!
//! Most messages to a zygote have no answer. So [`PING_AFTER`] after a message the daemon sends a
//! ping, which the zygote answers when it has handled all messages before it: one ping covers all
//! messages of that time. While no message is sent, no ping is sent either. A zygote that does not
//! answer a ping within [`HELPER_TIMEOUT`] of the message is killed. If the daemon itself did not
//! run meanwhile (the machine was suspended, say), the zygote gets that time again, once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::ipc::HELPER_TIMEOUT;

/// How long after a message the ping is sent: many messages have one ping together.
const PING_AFTER: Duration = Duration::from_millis(500);

/// Records that a message was sent to a zygote. The senders set it, and the watchdog waits for it.
#[derive(Debug, Default)]
pub(super) struct SentMessages {
    is_armed: AtomicBool,
    armed: Notify,
}

/// The state of the watchdog. The task that reads the zygote's messages owns it.
#[derive(Debug)]
pub(super) struct Watchdog {
    state: State,
    /// The number of the newest ping.
    pings: u64,
}

#[derive(Debug)]
enum State {
    /// The zygote has answered the newest ping: no answer is awaited.
    Quiet,
    /// A message was sent, and no ping after it.
    Sent { ping_at: Instant },
    /// A ping was sent, and not answered.
    Pinged {
        due: Instant,
        /// Whether the zygote may get more time, if the daemon itself did not run meanwhile.
        may_extend: bool,
    },
}

/// What the caller has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send the ping of this number.
    Ping(u64),
    /// Kill the zygote, which has not answered in time.
    GiveUp,
}

impl SentMessages {
    /// Records that a message was sent to the zygote. It must be called after the message was sent.
    pub(super) fn note(&self) {
        if !self.is_armed.swap(true, Ordering::AcqRel) {
            self.armed.notify_one();
        }
    }
}

impl Watchdog {
    /// A watchdog that awaits no answer.
    pub(super) fn new() -> Self {
        Self {
            state: State::Quiet,
            pings: 0,
        }
    }

    /// Waits for the next step; never returns while no answer is awaited. It is cancel safe.
    pub(super) async fn next(&mut self, sent: &SentMessages) -> Step {
        loop {
            let Some(due) = self.due() else {
                sent.armed.notified().await;
                self.note_message(Instant::now());
                continue;
            };
            tokio::time::sleep_until(due.into()).await;
            if matches!(self.state, State::Sent { .. }) {
                // This ping does not cover messages that are sent from here on.
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

    /// Takes the step that is due at `now`. Returns `None` if the caller has nothing to do.
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
            // The daemon itself did not run for a while, and perhaps the zygote did not run either.
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
    fn a_zygote_that_does_not_answer_is_killed_three_seconds_after_a_message() {
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
    fn a_zygote_gets_more_time_if_the_daemon_itself_did_not_run() {
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
