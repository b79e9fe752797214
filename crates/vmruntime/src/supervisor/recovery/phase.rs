//! The phase of a session: whether a process has its committed state, and what that can be restored
//! from.
//!
//! ```text
//!             ready                    the state is behind, or no process is left
//! Opening ────────────> Serving ─────────────────────────────────────────────────> Recovering
//!                          │  ^                                                      │  │
//!                          │  └──────────── a process has the state ─────────────────┘  │
//!                          │                                                            │
//!                          └────────> Orphaned (the zygote is gone) <───────────────────┘
//!                                        └─> Recovering, at another zygote
//! ```
//!
//! A session without a checkpoint has its seed, and its replay log is complete: it has committed no
//! run that would have needed a checkpoint. A session with a checkpoint keeps its seed as long as
//! its log is complete. So a session whose process dies can be restored from its checkpoint, from
//! its seed, or from either. It is lost only if its log is incomplete and the checkpoint dies as
//! well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::respawn::Respawn;
use super::session_seed::SessionSeed;
use crate::ipc::{Death, HELPER_TIMEOUT};
use crate::supervisor::end_reason::EndReason;

/// How long a promotion may take. It is longer than [`HELPER_TIMEOUT`], after which the zygote
/// kills a checkpoint that is stopped.
pub(crate) const PROMOTION_TIMEOUT: Duration =
    HELPER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The phase of a session.
pub(crate) enum Phase {
    /// Its first process is being set up.
    Opening {
        seed: Arc<SessionSeed>,
        /// Sends to the caller that opens the session, when the process is ready.
        ready: oneshot::Sender<()>,
    },
    /// A process has the committed state, or a checkpoint that has it is about to be promoted.
    Serving(RestorePoint),
    /// No process has the committed state. No run begins and no run continues until a process has
    /// it.
    Recovering {
        from: RestorePoint,
        respawn: Respawn,
    },
    /// Its zygote has ended, and every process of the session with it. The session moves to another
    /// zygote when the actor has read everything that its processes sent.
    Orphaned {
        seed: Arc<SessionSeed>,
        /// Why the zygote ended.
        reason: String,
        /// The respawn that was under way when the zygote ended, or that began since; `None` if
        /// there is none yet.
        respawn: Option<Respawn>,
    },
}

/// What the committed state of a session can be restored from.
#[derive(Clone)]
pub(crate) enum RestorePoint {
    /// The seed alone, because there is no checkpoint.
    Seed(Arc<SessionSeed>),
    /// A checkpoint.
    Checkpoint {
        /// The seed; `None` once the replay log is not complete any more.
        seed: Option<Arc<SessionSeed>>,
        /// When the checkpoint must have been promoted; `None` as long as no promotion is awaited.
        promotion_due: Option<Instant>,
    },
}

impl RestorePoint {
    fn seed(&self) -> Option<&Arc<SessionSeed>> {
        match self {
            Self::Seed(seed) => Some(seed),
            Self::Checkpoint { seed, .. } => seed.as_ref(),
        }
    }

    fn note_checkpoint(&mut self, log_is_complete: bool) {
        match self {
            Self::Seed(seed) => {
                *self = Self::Checkpoint {
                    seed: log_is_complete.then(|| Arc::clone(seed)),
                    promotion_due: None,
                }
            }
            Self::Checkpoint { seed, .. } => {
                if !log_is_complete {
                    *seed = None;
                }
            }
        }
    }
}

impl Phase {
    /// Whether runs may begin and continue: no respawn is under way.
    pub(crate) fn accepts_work(&self) -> bool {
        self.respawn().is_none()
    }

    /// The seed; `None` if the session can only be restored from its checkpoint.
    pub(crate) fn seed(&self) -> Option<&Arc<SessionSeed>> {
        match self {
            Self::Opening { seed, .. } | Self::Orphaned { seed, .. } => Some(seed),
            Self::Serving(from) | Self::Recovering { from, .. } => from.seed(),
        }
    }

    /// The seed from which the session can get another process. `None` if its log is incomplete,
    /// and for a session that is being opened: opening fails if the first process dies.
    pub(crate) fn respawn_seed(&self) -> Option<&Arc<SessionSeed>> {
        match self {
            Self::Opening { .. } => None,
            _ => self.seed(),
        }
    }

    /// Why the zygote ended; `None` while it runs.
    pub(crate) fn zygote_loss(&self) -> Option<&str> {
        match self {
            Self::Orphaned { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The respawn that is under way; `None` if a process has the committed state.
    pub(crate) fn respawn(&self) -> Option<&Respawn> {
        match self {
            Self::Recovering { respawn, .. } => Some(respawn),
            Self::Orphaned { respawn, .. } => respawn.as_ref(),
            Self::Opening { .. } | Self::Serving(_) => None,
        }
    }

    /// As [`respawn`](Self::respawn), to be changed.
    pub(crate) fn respawn_mut(&mut self) -> Option<&mut Respawn> {
        match self {
            Self::Recovering { respawn, .. } => Some(respawn),
            Self::Orphaned { respawn, .. } => respawn.as_mut(),
            Self::Opening { .. } | Self::Serving(_) => None,
        }
    }

    /// When the checkpoint must have been promoted; `None` if no promotion is awaited.
    pub(crate) fn promotion_due(&self) -> Option<Instant> {
        match self {
            Self::Serving(RestorePoint::Checkpoint { promotion_due, .. })
            | Self::Recovering {
                from: RestorePoint::Checkpoint { promotion_due, .. },
                ..
            } => *promotion_due,
            _ => None,
        }
    }

    fn set_promotion_due(&mut self, at: Option<Instant>) {
        if let Self::Serving(RestorePoint::Checkpoint { promotion_due, .. })
        | Self::Recovering {
            from: RestorePoint::Checkpoint { promotion_due, .. },
            ..
        } = self
        {
            *promotion_due = at;
        }
    }

    /// Records that the session process died. If the session has a checkpoint, its promotion is due
    /// in [`PROMOTION_TIMEOUT`].
    pub(crate) fn await_promotion(&mut self) {
        self.set_promotion_due(Some(Instant::now() + PROMOTION_TIMEOUT));
    }

    /// Records that the checkpoint was promoted.
    pub(crate) fn note_promotion(&mut self) {
        self.set_promotion_due(None);
    }

    /// Records that a process is ready. Returns the sender of [`Phase::Opening`] if it is the
    /// session's first process, otherwise `None`.
    pub(crate) fn note_ready(&mut self) -> Option<oneshot::Sender<()>> {
        let Self::Opening { seed, .. } = self else {
            return None;
        };
        let serving = Self::Serving(RestorePoint::Seed(Arc::clone(seed)));
        match std::mem::replace(self, serving) {
            Self::Opening { ready, .. } => Some(ready),
            _ => None,
        }
    }

    /// Records that there is a checkpoint. The seed is dropped if the log is not complete, because
    /// it is of no use then.
    ///
    /// # Errors
    /// When the session could only have been restored from the seed (its zygote has ended), and
    /// when the session is still being opened.
    pub(crate) fn note_checkpoint(&mut self, log_is_complete: bool) -> Result<(), EndReason> {
        match self {
            Self::Opening { .. } => Err(EndReason::UnexpectedCheckpoint),
            Self::Serving(from) | Self::Recovering { from, .. } => {
                from.note_checkpoint(log_is_complete);
                Ok(())
            }
            // The checkpoint ended with the zygote.
            Self::Orphaned { .. } if log_is_complete => Ok(()),
            Self::Orphaned { reason, .. } => Err(EndReason::ZygoteGone(reason.clone())),
        }
    }

    /// Records that no process has the committed state, after a process died as `after` says. A
    /// respawn that is under way continues, with the death that began it.
    ///
    /// # Errors
    /// When the session is still being opened.
    pub(crate) fn recover(&mut self, after: Death) -> Result<&mut Respawn, EndReason> {
        if let Self::Serving(from) = self {
            *self = Self::Recovering {
                from: from.clone(),
                respawn: Respawn::new(after),
            };
        } else if let Self::Orphaned { respawn, .. } = self {
            respawn.get_or_insert_with(|| Respawn::new(after));
        }
        self.respawn_mut().ok_or(EndReason::ProcessesEnded)
    }

    /// Records that the session has neither a process nor a checkpoint, and that a new process is
    /// made from the seed.
    pub(crate) fn restart_from_seed(&mut self) {
        let from = self.respawn_seed().cloned().map(RestorePoint::Seed);
        if let (Some(from), Some(respawn)) = (from, self.respawn().cloned()) {
            *self = Self::Recovering { from, respawn };
        }
    }

    /// Records that a process has the committed state. Returns the respawn that this ends; `None`
    /// if none was under way.
    pub(crate) fn note_recovery(&mut self) -> Option<Respawn> {
        if let Self::Orphaned { respawn, .. } = self {
            return respawn.take();
        }
        let Self::Recovering { from, respawn } = self else {
            return None;
        };
        let (from, respawn) = (from.clone(), respawn.clone());
        *self = Self::Serving(from);
        Some(respawn)
    }

    /// Records that the zygote ended, for this reason. `is_reproducible` says whether another
    /// zygote has the same state.
    ///
    /// # Errors
    /// When the session can't move to another zygote.
    pub(crate) fn note_zygote_loss(
        &mut self,
        reason: String,
        is_reproducible: bool,
    ) -> Result<(), EndReason> {
        let Some(seed) = self.respawn_seed() else {
            return Err(EndReason::ZygoteGone(reason));
        };
        if !is_reproducible {
            return Err(EndReason::NotReproducible(reason));
        }
        *self = Self::Orphaned {
            seed: Arc::clone(seed),
            reason,
            respawn: self.respawn().cloned(),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::DeathCause;
    use crate::supervisor::recovery::session_seed::fixtures::seed;

    fn death() -> Death {
        Death {
            generation: Some(1),
            cause: DeathCause::KILLED,
            note: None,
            usage: None,
        }
    }

    fn opening() -> (Phase, oneshot::Receiver<()>) {
        let (ready, is_ready) = oneshot::channel();
        let seed = seed();
        (Phase::Opening { seed, ready }, is_ready)
    }

    fn serving() -> Phase {
        Phase::Serving(RestorePoint::Seed(seed()))
    }

    #[tokio::test]
    async fn a_session_opens_once_and_fails_with_its_first_process() {
        let (mut phase, _is_ready) = opening();
        assert!(phase.respawn_seed().is_none());
        assert!(phase.note_checkpoint(true).is_err());
        assert!(phase.recover(death()).is_err());
        assert!(phase.note_ready().is_some());
        assert!(phase.note_ready().is_none());
        assert!(phase.respawn_seed().is_some());
        let (mut phase, _is_ready) = opening();
        assert!(matches!(
            phase.note_zygote_loss("gone".into(), true),
            Err(EndReason::ZygoteGone(_))
        ));
    }

    #[tokio::test]
    async fn a_promotion_is_awaited_only_where_there_is_a_checkpoint() {
        let mut phase = serving();
        phase.await_promotion();
        assert_eq!(phase.promotion_due(), None);
        phase.note_checkpoint(true).unwrap();
        phase.await_promotion();
        assert!(phase.promotion_due().is_some());
        // A commit that is read in the meantime does not end the wait.
        phase.note_checkpoint(true).unwrap();
        assert!(phase.promotion_due().is_some());
        phase.recover(death()).unwrap();
        assert!(phase.promotion_due().is_some());
        phase.note_promotion();
        assert_eq!(phase.promotion_due(), None);
    }

    #[tokio::test]
    async fn the_seed_lasts_as_long_as_the_log_is_complete() {
        let mut phase = serving();
        phase.note_checkpoint(true).unwrap();
        assert!(phase.seed().is_some());
        phase.note_checkpoint(false).unwrap();
        assert!(phase.seed().is_none());
        assert!(matches!(
            phase.note_zygote_loss("gone".into(), true),
            Err(EndReason::ZygoteGone(_))
        ));
    }

    #[tokio::test]
    async fn no_run_continues_while_a_session_recovers_and_the_first_death_is_kept() {
        let mut phase = serving();
        assert!(phase.accepts_work());
        phase.recover(death()).unwrap();
        assert!(!phase.accepts_work());
        let later = Death {
            generation: Some(2),
            ..death()
        };
        let respawn = phase.recover(later).unwrap();
        assert_eq!(respawn.after(), &death());
        phase.note_checkpoint(true).unwrap();
        phase.restart_from_seed();
        assert!(matches!(
            phase,
            Phase::Recovering {
                from: RestorePoint::Seed(_),
                ..
            }
        ));
        assert!(phase.note_recovery().is_some());
        assert!(phase.accepts_work());
        assert!(phase.note_recovery().is_none());
    }

    #[tokio::test]
    async fn a_session_moves_to_another_zygote_unless_that_has_another_state() {
        let mut phase = serving();
        assert!(matches!(
            phase.note_zygote_loss("gone".into(), false),
            Err(EndReason::NotReproducible(_))
        ));
        phase.note_zygote_loss("gone".into(), true).unwrap();
        assert_eq!(phase.zygote_loss(), Some("gone"));
        assert!(phase.accepts_work());
        // A message that the process sent before may be a commit that only the lost checkpoint
        // holds.
        phase.note_checkpoint(true).unwrap();
        assert!(phase.note_checkpoint(false).is_err());
        phase.recover(death()).unwrap();
        assert!(!phase.accepts_work());
        phase.restart_from_seed();
        assert_eq!(phase.zygote_loss(), None);
    }
}
