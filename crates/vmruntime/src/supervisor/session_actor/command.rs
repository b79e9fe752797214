//! What the owner of a session asks its actor for.

use tokio::sync::mpsc;
use uuid::Uuid;
use vmcontrol::runtime::{RunRequest, RunUpdate};

/// A command to a session's actor.
pub(crate) enum Command {
    /// Run a script and send what happens.
    Run {
        execution_id: Uuid,
        request: RunRequest,
        updates: mpsc::Sender<RunUpdate>,
    },
    /// Undo that execution, if it is under way.
    Cancel(Uuid),
}
