//! The deaths of a session's processes that may still become the reason for the end of the session.

use crate::ipc::Death;

/// The losses of a session. They are cleared when a process has the committed state again.
#[derive(Default)]
pub(super) struct Losses {
    /// How the last session process died; `None` if none died since the last recovery.
    pub(super) process: Option<Death>,
    /// How the checkpoint died; `None` once there is another checkpoint.
    pub(super) checkpoint: Option<CheckpointLoss>,
    /// Why the last fork was refused; `None` if it was not.
    pub(super) refused_fork: Option<String>,
}

/// The death of a checkpoint.
pub(super) struct CheckpointLoss {
    pub(super) death: Death,
    /// Whether another checkpoint must be made after the run that is under way. It is not made at
    /// once, because the run may itself end with a new checkpoint.
    pub(super) renew_after_run: bool,
}

impl Losses {
    /// Returns whether another checkpoint must be made now that the run has ended, and resets that.
    pub(super) fn take_renewal(&mut self) -> bool {
        self.checkpoint
            .as_mut()
            .is_some_and(|lost| std::mem::take(&mut lost.renew_after_run))
    }
}
