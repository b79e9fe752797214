//! A session that has lost its process before it had a checkpoint is made once more; and a process that is behind what the
//! session has committed is told to run that once more.

use std::time::{Duration, Instant};

use super::{Actor, Over, closed};
use crate::host::death::cause_text;
use crate::host::origin::FIRST_GENERATION;
use crate::host::zygote::Forked;
use crate::protocol::{Death, DeathCause, ToSession};

/// How often a process is asked for, for a session that has lost its own: the system may have no room for it just now, or
/// somebody kill that one too.
const ATTEMPTS: u32 = 100;

/// How long to wait in between.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How long all of that may take.
const AGAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// How many of a session's processes, the one that was lost first included, may end of themselves before one has caught up with its
/// state. Those that somebody kills don't count.
const MAX_FAILURES: u32 = 3;

/// A process for a session that has lost its own, until it has the state that was committed.
pub(super) struct Again {
    /// How its own process died.
    after: Death,
    /// How often another one was asked for.
    attempts: u32,
    /// How many have ended of themselves.
    failures: u32,
    pub(super) due: Instant,
}

impl Again {
    fn new(after: Death) -> Self {
        Self {
            after,
            attempts: 0,
            failures: 0,
            due: Instant::now() + AGAIN_TIMEOUT,
        }
    }
}

impl Actor {
    /// Makes the session once more of which no process is left, if it was ready and has had no checkpoint.
    pub(super) async fn go_on_without_process(&mut self) -> Result<(), Option<Over>> {
        if self.origin.is_none() || self.ready.is_some() {
            return Err(None);
        }
        if let Some(obstacle) = self.bury().await {
            return Err(Some(obstacle));
        }
        self.deaths.clear();
        self.take_overs.clear();
        self.checkpoint_lost = false;
        if self.again.is_none() {
            let Some(after) = self.last_death.take() else {
                return Err(None);
            };
            tracing::debug!(session = self.number, ?after, "a session is made once more");
            self.await_state(after);
        }
        let forked = self.fork_again().await?;
        (self.sender, self.receiver, self.news) = (forked.sender, forked.receiver, forked.news);
        self.generation = FIRST_GENERATION;
        // If the process stands still it is late afterwards.
        let _ = tokio::time::timeout(AGAIN_TIMEOUT, self.set_up()).await;
        Ok(())
    }

    /// Asks for another process, for the first time or once more.
    async fn fork_again(&mut self) -> Result<Forked, Option<Over>> {
        while let Some(again) = &mut self.again
            && again.attempts < ATTEMPTS
        {
            again.attempts += 1;
            if again.attempts > 1 {
                let (attempt, refusal) = (again.attempts, &self.refusal);
                tracing::debug!(
                    session = self.number,
                    attempt,
                    ?refusal,
                    "a process is asked for again"
                );
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            // The process before may have died of that.
            if *self.closing.borrow() || self.closing.has_changed().is_err() {
                return Err(Some(closed()));
            }
            match self.zygote.fork_as(self.number) {
                Ok(forked) => return Ok(forked),
                Err(error) => self.refusal = Some(error.to_string()),
            }
        }
        Err(None)
    }

    /// Has nothing begin, and nothing go on, until there is a process with the session's state.
    fn await_state(&mut self, after: Death) -> &mut Again {
        if let Some(run) = &mut self.run {
            run.lose_process();
        }
        self.again.get_or_insert_with(|| Again::new(after))
    }

    /// Has the session process run once more what it does not hold, after the one before died like this.
    pub(super) async fn catch_up(&mut self, death: &Death) -> Result<(), Option<Over>> {
        let again = self.await_state(death.clone());
        if death.cause != DeathCause::Signaled(libc::SIGKILL) {
            again.failures += 1;
        }
        if again.failures > MAX_FAILURES {
            return Err(Some(format!("its state is lost: {}", cause_text(death))));
        }
        // If the process stands still it is late afterwards.
        let redo = ToSession::Redo(self.redo_log.runs());
        let _ = tokio::time::timeout(AGAIN_TIMEOUT, self.tell(&redo)).await;
        Ok(())
    }

    /// Has the session go on, if it was made once more.
    pub(super) async fn begin_again(&mut self) -> Result<(), Option<Over>> {
        let Some(again) = &self.again else {
            return Ok(());
        };
        if self.commits > 0 {
            let after = self.last_death.take();
            let after = after.unwrap_or_else(|| again.after.clone());
            return self.catch_up(&after).await;
        }
        self.go_on_with_state().await
    }

    /// Has the session go on, whose process holds all that was committed.
    pub(super) async fn go_on_with_state(&mut self) -> Result<(), Option<Over>> {
        let Some(again) = self.again.take() else {
            return Ok(());
        };
        // What went wrong meanwhile is no cause of what comes.
        (self.last_death, self.refusal) = (None, None);
        if let Some(run) = &mut self.run {
            run.resume_clock();
        }
        self.take_over(self.commits, &again.after).await
    }
}
