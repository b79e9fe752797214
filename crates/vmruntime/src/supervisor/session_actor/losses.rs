//! How the processes of a session died, as far as that may still be why the session ends.

use crate::ipc::Death;

/// The losses of a session. All are forgotten once a process has its state again.
#[derive(Default)]
pub(super) struct Losses {
    /// How the newest session process died that is dead; `None` if none is.
    pub(super) process: Option<Death>,
    /// How the checkpoint died, until there is another one.
    pub(super) checkpoint: Option<CheckpointLoss>,
    /// Why the last process that was asked for was not forked; `None` if none was refused.
    pub(super) refused_fork: Option<String>,
}

/// The death of a checkpoint.
pub(super) struct CheckpointLoss {
    pub(super) death: Death,
    /// Whether another one is to be made when the run under way is over, which may itself end with
    /// a new checkpoint.
    pub(super) renew_after_run: bool,
}

impl Losses {
    /// Whether another checkpoint is to be made now that the run is over. Asked once.
    pub(super) fn take_renewal(&mut self) -> bool {
        self.checkpoint
            .as_mut()
            .is_some_and(|lost| std::mem::take(&mut lost.renew_after_run))
    }
}
