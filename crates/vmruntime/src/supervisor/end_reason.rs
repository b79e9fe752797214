//! Why a session ended.

use std::io;
use std::time::Duration;

use vmapi_types::Limits;
use vmcontrol::runtime::OpenSessionError;

use super::rollback;
use crate::ipc::{Death, zygote_gone};

/// Why a session ended. Its `Display` is what the session's record says.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndReason {
    /// Its owner closed it.
    #[error("the session was closed")]
    Closed,
    /// Its process could not be set up: the engine refused its policy, or the kernel refused the
    /// confinement.
    #[error("{0}")]
    SetUpFailed(String),
    /// All its processes ended, and no cause is known.
    #[error("its processes ended")]
    ProcessesEnded,
    /// Its process died, and neither a checkpoint nor a complete replay log was left.
    #[error("{0}")]
    ProcessLost(Death),
    /// Its checkpoint died, and then its process.
    #[error("{}", checkpoint_lost(.checkpoint, .process, .running.as_ref()))]
    CheckpointLost {
        /// How the checkpoint died.
        checkpoint: Box<Death>,
        /// How the process died.
        process: Box<Death>,
        /// The limits of the run that was under way; `None` if none was.
        running: Option<Limits>,
    },
    /// Its process died together with the newest checkpoint: the checkpoint that was promoted holds
    /// fewer runs than the session has committed.
    #[error("its state is lost, because its process and its newest checkpoint died together: {0}")]
    StateLost(Death),
    /// The session process reported a checkpoint that holds fewer runs than the session has
    /// committed.
    #[error("its newest state is lost")]
    StateWentBack,
    /// The processes that replayed its log died of themselves too often; this is how the last one
    /// died.
    #[error("its state is lost: {0}")]
    ReplayFailed(Death),
    /// No process had replayed its log within the time limit of a respawn.
    #[error("no process had its state in time")]
    ReplayOverdue,
    /// Its process died, and its checkpoint was not promoted in time.
    #[error(
        "its checkpoint was not promoted within {} s after its process had died: {}",
        .timeout.as_secs(),
        .after.as_ref().map(Death::to_string).unwrap_or_default()
    )]
    PromotionOverdue {
        /// How long the session actor waited for the promotion.
        timeout: Duration,
        /// How the process died; `None` if the zygote did not report it.
        after: Option<Death>,
    },
    /// The daemon had a run killed, and the process of the run did not die.
    #[error("its process could not be stopped")]
    Unstoppable,
    /// The session process sent bytes that can't be decoded as a message.
    #[error("the session process sent a malformed message: {0}")]
    Malformed(io::Error),
    /// The session process sent the trace of a run for which the replay log has no room, or of no
    /// run.
    #[error("the session process sent a replay trace that was not asked for")]
    UnexpectedTrace,
    /// The session process reported a checkpoint before it was ready.
    #[error("the session process reported a checkpoint before it was ready")]
    UnexpectedCheckpoint,
    /// No process could be forked.
    #[error("{0}")]
    ForkRefused(String),
    /// Its zygote ended, and the session can't be restored in another zygote: its replay log is
    /// incomplete.
    #[error("{}", zygote_gone(.0))]
    ZygoteGone(String),
    /// Its zygote ended, and another zygote would have another state.
    #[error(
        "{}; the session can't move to another zygote, because a library used the time or randomness when it was loaded",
        zygote_gone(.0)
    )]
    NotReproducible(String),
    /// Its zygote ended, and no other zygote could be started.
    #[error("{}; no other zygote could be started: {error}", zygote_gone(.reason))]
    NoOtherZygote {
        /// Why its own zygote ended.
        reason: String,
        /// Why no other zygote could be started.
        error: NoZygote,
    },
}

/// Why a session got no other zygote.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoZygote {
    /// The zygote could not be started.
    #[error(transparent)]
    Failed(#[from] OpenSessionError),
    /// The zygote was not ready in time.
    #[error("it was not ready in time")]
    Overdue,
}

fn checkpoint_lost(checkpoint: &Death, process: &Death, running: Option<&Limits>) -> String {
    let (meanwhile, process) = match running {
        Some(limits) => (
            " while an execution ran",
            rollback::cause(process, limits).1,
        ),
        None => ("", process.to_string()),
    };
    format!(
        "its checkpoint died{meanwhile} ({}), so that there was nothing to go back to when its process died, too: {process}",
        checkpoint.of("it")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{DeathCause, DeathNote};

    #[test]
    fn the_loss_of_both_processes_names_both_deaths_and_the_limit() {
        let checkpoint = Death {
            generation: None,
            cause: DeathCause::KILLED,
            note: Some(DeathNote::StoppedTooLong),
            usage: None,
        };
        let process = Death {
            generation: Some(1),
            cause: DeathCause::Signaled(libc::SIGALRM),
            note: None,
            usage: None,
        };
        let reason = EndReason::CheckpointLost {
            checkpoint: checkpoint.into(),
            process: process.into(),
            running: Some(Limits::default()),
        };
        assert_eq!(
            reason.to_string(),
            "its checkpoint died while an execution ran (it was killed by signal 9 (SIGKILL): it had been stopped \
             for 3 s), so that there was nothing to go back to when its process died, too: it ran longer than 5000 ms \
             (wall_ms)"
        );
    }

    #[test]
    fn the_reason_names_why_no_other_zygote_was_started() {
        let reason = EndReason::NoOtherZygote {
            reason: "it was killed".into(),
            error: NoZygote::Overdue,
        };
        assert_eq!(
            reason.to_string(),
            "its worker process, the zygote, is gone: it was killed; no other zygote could be started: it was not ready in time"
        );
    }
}
