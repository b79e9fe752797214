//! What host modules know of the session that they work for.

use std::sync::Arc;

use vmcontrol::{MemoryBudget, Policy, Worktree, WriteAllowance, WriteLimits};

use crate::ipc::WorkerCommand;

/// What bounds all that sessions ask host modules for, together.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The memory that the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// What host modules may write for one run, and what they leave free of the disk.
    pub(crate) write: WriteLimits,
}

/// One session, as its host modules see it.
pub(crate) struct SessionContext {
    /// What the session may do.
    pub(crate) policy: Arc<Policy>,
    /// The directory that its files come from.
    pub(crate) worktree: Arc<Worktree>,
    /// How processes of the module's own are started.
    pub(crate) worker: WorkerCommand,
    /// The memory that the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// What the current run may still write to files.
    pub(crate) allowance: Arc<WriteAllowance>,
}

impl SessionContext {
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
