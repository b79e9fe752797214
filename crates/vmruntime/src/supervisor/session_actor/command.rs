//! The commands of a session's owner to its actor.

use tokio::sync::mpsc;
use uuid::Uuid;
use vmcontrol::runtime::{RunRequest, RunUpdate};

/// A command to a session's actor.
pub(crate) enum Command {
    /// Run a script, and send its updates to `updates`.
    Run {
        execution_id: Uuid,
        request: RunRequest,
        updates: mpsc::Sender<RunUpdate>,
    },
    /// Kill and roll back that execution, if it is under way.
    Cancel(Uuid),
}
