//! A session that has lost its process before it had a checkpoint is made once more; and a process that is behind what the
//! session has committed is told to run that once more.

use std::time::{Duration, Instant};

use super::loss::zygote_gone;
use super::{Actor, Over, closed, said};
use crate::ipc::{Death, DeathCause, ToSession};
use crate::supervisor::death::cause_text;
use crate::supervisor::recovery::session_seed::FIRST_GENERATION;
use crate::supervisor::zygote::Forked;

/// How often a process is asked for, for a session that has lost its own: the system may have no room for it just now, or
/// somebody kill that one too.
const ATTEMPTS: u32 = 100;

/// How long to wait in between.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(30);

/// How long all of that may take.
const RESPAWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many of a session's processes, the one that was lost first included, may end of themselves before one has caught up with its
/// state. Those that somebody kills don't count.
const MAX_FAILURES: u32 = 3;

/// A process for a session that has lost its own, until it has the state that was committed.
pub(super) struct Respawn {
    /// How its own process died.
    after: Death,
    /// How often another one was asked for.
    attempts: u32,
    /// How many have ended of themselves.
    failures: u32,
    pub(super) due: Instant,
}

impl Respawn {
    fn new(after: Death) -> Self {
        Self {
            after,
            attempts: 0,
            failures: 0,
            due: Instant::now() + RESPAWN_TIMEOUT,
        }
    }
}

impl Actor {
    /// Makes the session once more of which no process is left, if it was ready and its redo log is complete.
    pub(super) async fn go_on_without_process(&mut self) -> Result<(), Option<Over>> {
        if self.seed.is_none() || self.ready.is_some() {
            return Err(None);
        }
        self.bury().await;
        self.check_move()?;
        if self.respawn.is_none() {
            let Some(after) = self.death_to_go_on_from() else {
                return Err(None);
            };
            tracing::debug!(session = self.number, ?after, "a session is made once more");
            self.await_state(after);
        }
        self.deaths.clear();
        self.promotions.clear();
        self.promotion_due = None;
        self.has_checkpoint = false;
        self.checkpoint_lost = false;
        self.checkpoint_death = None;
        self.replay_log.note_loss_of_checkpoint();
        self.move_from_lost_zygote().await?;
        let forked = self.fork_replacement().await?;
        (self.sender, self.receiver, self.process_events) =
            (forked.sender, forked.receiver, forked.process_events);
        self.generation = FIRST_GENERATION;
        // If the process stands still it is late afterwards.
        let _ = tokio::time::timeout(RESPAWN_TIMEOUT, self.set_up()).await;
        Ok(())
    }

    /// How the session process died that is to be made once more.
    fn death_to_go_on_from(&mut self) -> Option<Death> {
        let Some(reason) = &self.zygote_loss else {
            return self.last_death.take();
        };
        // It may have died of its own accord shortly before, and that may not have been reported any more.
        let own = self.deaths.remove(&self.generation);
        if let (None, Some(run)) = (&own, &mut self.run) {
            run.judge_by_clock();
        }
        Some(own.unwrap_or_else(|| Death {
            generation: Some(self.generation),
            cause: DeathCause::Signaled(libc::SIGKILL),
            note: Some(zygote_gone(reason)),
            usage: None,
        }))
    }

    /// Gets another zygote, if the session's own is gone.
    async fn move_from_lost_zygote(&mut self) -> Result<(), Option<Over>> {
        let Some(reason) = self.zygote_loss.clone() else {
            return Ok(());
        };
        let replaced = tokio::select! {
            replaced = tokio::time::timeout(RESPAWN_TIMEOUT, self.home.replace()) => replaced,
            () = said(&mut self.closing) => return Err(Some(closed())),
        };
        let failed = match replaced {
            Ok(Ok(zygote)) => {
                (self.zygote, self.zygote_loss) = (zygote, None);
                return Ok(());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it was not ready in time".into(),
        };
        let gone = zygote_gone(&reason);
        Err(Some(format!(
            "{gone}; another one could not be had: {failed}"
        )))
    }

    /// Asks for another process, for the first time or once more.
    async fn fork_replacement(&mut self) -> Result<Forked, Option<Over>> {
        while let Some(respawn) = &mut self.respawn
            && respawn.attempts < ATTEMPTS
        {
            respawn.attempts += 1;
            if respawn.attempts > 1 {
                let (attempt, refusal) = (respawn.attempts, &self.refusal);
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
    fn await_state(&mut self, after: Death) -> &mut Respawn {
        if let Some(run) = &mut self.run {
            run.lose_process();
        }
        self.respawn.get_or_insert_with(|| Respawn::new(after))
    }

    /// Has the session process run once more what it does not hold, after the one before died like this.
    pub(super) async fn catch_up(&mut self, death: &Death) -> Result<(), Option<Over>> {
        let respawn = self.await_state(death.clone());
        if death.cause != DeathCause::Signaled(libc::SIGKILL) {
            respawn.failures += 1;
        }
        if respawn.failures > MAX_FAILURES {
            return Err(Some(format!("its state is lost: {}", cause_text(death))));
        }
        // If the process stands still it is late afterwards.
        let replay = ToSession::Replay(self.replay_log.runs());
        let _ = tokio::time::timeout(RESPAWN_TIMEOUT, self.send(&replay)).await;
        Ok(())
    }

    /// Has the session go on, if it was made once more.
    pub(super) async fn resume_respawned(&mut self) -> Result<(), Option<Over>> {
        let Some(respawn) = &self.respawn else {
            return Ok(());
        };
        if self.commits > 0 {
            let after = self.last_death.take();
            let after = after.unwrap_or_else(|| respawn.after.clone());
            return self.catch_up(&after).await;
        }
        self.go_on_with_state().await
    }

    /// Has the session go on, whose process holds all that was committed.
    pub(super) async fn go_on_with_state(&mut self) -> Result<(), Option<Over>> {
        let Some(respawn) = self.respawn.take() else {
            return Ok(());
        };
        // What went wrong meanwhile is no cause of what comes.
        (self.last_death, self.refusal) = (None, None);
        if let Some(run) = &mut self.run {
            run.resume_clock();
        }
        self.fail_over(self.commits, &respawn.after).await
    }
}
