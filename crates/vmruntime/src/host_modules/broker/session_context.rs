//! What a host module may use of the session that it works for.

use std::sync::Arc;

use vmcontrol::{MemoryBudget, Policy, Worktree, WriteAllowance, WriteLimits};

use crate::ipc::WorkerCommand;

/// The bounds on what all sessions together ask host modules for.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The memory that the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// How much host modules may write for one run, and how much of the disk they leave free.
    pub(crate) write: WriteLimits,
}

/// The session of a host module.
pub(crate) struct SessionContext {
    /// What the session may do.
    pub(crate) policy: Arc<Policy>,
    /// The directory that its files come from.
    pub(crate) worktree: Arc<Worktree>,
    /// How processes of the module's own are started.
    pub(crate) worker: WorkerCommand,
    /// The memory that the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// How much the current run may still write to files.
    pub(crate) allowance: Arc<WriteAllowance>,
}

impl SessionContext {
    /// The context of a session.
    pub(crate) fn new(
        policy: Arc<Policy>,
        worktree: Arc<Worktree>,
        worker: WorkerCommand,
        bounds: Bounds,
    ) -> Self {
        Self {
            policy,
            worktree,
            worker,
            memory: bounds.memory,
            allowance: Arc::new(WriteAllowance::new(bounds.write)),
        }
    }
}
