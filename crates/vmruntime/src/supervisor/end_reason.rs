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
    /// It could not be prepared: the engine refused its policy, or the kernel its confinement.
    #[error("{0}")]
    SetUpFailed(String),
    /// Its processes are gone, and nothing more is known of it.
    #[error("its processes ended")]
    ProcessesEnded,
    /// Its process died, and there was nothing to restore it from.
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
    /// Its process died together with the newest checkpoint: the one that was promoted is older
    /// than what the session has committed.
    #[error("its state is lost, because its process and its newest checkpoint died together: {0}")]
    StateLost(Death),
    /// The session process made a checkpoint that is older than what the session has committed.
    #[error("its newest state is lost")]
    StateWentBack,
    /// The processes that were to replay its log died, the last of them like this.
    #[error("its state is lost: {0}")]
    ReplayFailed(Death),
    /// No process had replayed its log in time.
    #[error("no process had its state in time")]
    ReplayOverdue,
    /// Its checkpoint was not promoted in time after its process had died.
    #[error(
        "its checkpoint did not take over within {} s, after its process had died: {}",
        .timeout.as_secs(),
        .after.as_ref().map(Death::to_string).unwrap_or_default()
    )]
    PromotionOverdue {
        /// How long the promotion was awaited.
        timeout: Duration,
        /// How the process died; `None` if that is not known.
        after: Option<Death>,
    },
    /// A run was to be killed, and its process did not die.
    #[error("its process could not be stopped")]
    Unstoppable,
    /// The session process sent something that is no message.
    #[error("the session process spoke nonsense: {0}")]
    Malformed(io::Error),
    /// The session process sent a trace of a run that was not to be logged.
    #[error("the session process kept a run that it was not to keep")]
    UnexpectedTrace,
    /// The session process spoke of a checkpoint before it was ready.
    #[error("the session process spoke nonsense: it has a checkpoint before it is ready")]
    UnexpectedCheckpoint,
    /// No process could be forked.
    #[error("{0}")]
    ForkRefused(String),
    /// Its zygote is gone, and the session can't move to another one.
    #[error("{}", zygote_gone(.0))]
    ZygoteGone(String),
    /// Its zygote is gone, and another one would have another state.
    #[error(
        "{}; it can't be made once more, because a library asked for the time or for chance when it was loaded",
        zygote_gone(.0)
    )]
    NotReproducible(String),
    /// Its zygote is gone, and there is no other one.
    #[error("{}; another one could not be had: {error}", zygote_gone(.reason))]
    NoOtherZygote {
        /// Why its own is gone.
        reason: String,
        /// Why no other one could be started.
        error: NoZygote,
    },
}

/// Why a session got no other zygote.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoZygote {
    /// It could not be started.
    #[error(transparent)]
    Failed(#[from] OpenSessionError),
    /// It took too long.
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
    fn a_session_that_can_not_move_says_why() {
        let reason = EndReason::NoOtherZygote {
            reason: "it was killed".into(),
            error: NoZygote::Overdue,
        };
        assert_eq!(
            reason.to_string(),
            "its worker process, the zygote, is gone: it was killed; another one could not be had: it was not ready in time"
        );
    }
}
