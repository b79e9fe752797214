//! The end of a session's processes, and why the session ends with them.

use std::time::{Duration, Instant};

use super::{Actor, Over};
use crate::ipc::{Death, HELPER_TIMEOUT};
use crate::supervisor::death::{cause_of, cause_text, run_cause};
use crate::supervisor::zygote::ProcessEvent;

/// How long a checkpoint may take to take over: if it is only stopped, the zygote says so before.
const PROMOTION_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_secs(1));

impl Actor {
    /// Kills what is left of the session's processes and waits until they are reaped, or gone with their zygote.
    pub(super) async fn bury(&mut self) {
        if self.zygote_loss.is_some() {
            return;
        }
        self.zygote.close(self.number);
        while let Some(process_events) = self.process_events.recv().await {
            match process_events {
                ProcessEvent::Ended => return,
                ProcessEvent::Died(death) if death.generation.is_none() => {
                    self.checkpoint_death.get_or_insert(death);
                }
                ProcessEvent::Died(death) => {
                    self.last_death.get_or_insert(death);
                }
                ProcessEvent::OpenFailed(reason) => {
                    self.refusal = Some(reason);
                    return;
                }
                ProcessEvent::ZygoteGone(reason) => {
                    self.zygote_loss = Some(reason);
                    return;
                }
            }
        }
    }

    /// Ends all processes of the session and waits until they are gone. Returns why, if the given reason does not say so.
    pub(super) async fn end(&mut self, reason: Option<Over>) -> Over {
        self.bury().await;
        self.stand_in.end(&self.zygote).await;
        let of_zygote = self.zygote_loss.as_deref().map(zygote_gone);
        reason
            .or(of_zygote)
            .or_else(|| self.refusal.take())
            .or_else(|| Some(self.loss(self.last_death.as_ref()?)))
            .unwrap_or_else(|| "its processes ended".into())
    }

    /// What happened to a session that has no process any more, the last of which died like this.
    fn loss(&self, death: &Death) -> Over {
        let Some(of_checkpoint) = self.checkpoint_death.as_ref() else {
            return cause_text(death);
        };
        let of_process = match &self.run {
            Some(run) => run_cause(death, &run.limits).1,
            None => cause_text(death),
        };
        let meanwhile = if self.run.is_some() {
            " while an execution ran"
        } else {
            ""
        };
        format!(
            "its checkpoint died{meanwhile} ({}), so that there was nothing to go back to when its process died, too: {of_process}",
            cause_of("it", of_checkpoint)
        )
    }

    /// Has the checkpoint be waited for, now that the session process is dead.
    pub(super) fn await_promotion(&mut self) {
        if self.has_checkpoint {
            self.promotion_due = Some(Instant::now() + PROMOTION_TIMEOUT);
        }
    }

    /// Why the session ends whose checkpoint has not taken over.
    pub(super) fn promotion_overdue(&self) -> Over {
        let after = self.last_death.as_ref().map(cause_text);
        format!(
            "its checkpoint did not take over within {} s, after its process had died: {}",
            PROMOTION_TIMEOUT.as_secs(),
            after.unwrap_or_default()
        )
    }

    /// Whether the session can move to another zygote, now that its own is gone; otherwise that ends it.
    pub(super) fn check_move(&self) -> Result<(), Option<Over>> {
        let Some(reason) = self.zygote_loss.as_deref() else {
            return Ok(());
        };
        let gone = zygote_gone(reason);
        if self.ready.is_some() || self.seed.is_none() {
            return Err(Some(gone));
        }
        if !self.zygote.is_deterministic() {
            return Err(Some(format!(
                "{gone}; it can't be made once more, because a library asked for the time or for chance when it was loaded"
            )));
        }
        Ok(())
    }
}

/// Why the session ends whose zygote is gone for that reason.
pub(super) fn zygote_gone(reason: &str) -> Over {
    format!("its worker process, the zygote, is gone: {reason}")
}
