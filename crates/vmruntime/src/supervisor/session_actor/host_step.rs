//! The steps of a host call that are reported to the session's actor.

use vmcontrol::Lease;

use crate::ipc::{HostAnswer, HostCall};

/// A step of a host call.
pub(super) struct HostStep {
    /// The number of the run that waits for the answer.
    pub(super) run: u64,
    /// The generation of the process that waits for it.
    pub(super) generation: u32,
    pub(super) progress: HostProgress,
}

/// How far a host call is.
pub(super) enum HostProgress {
    /// The record of its execution is on disk: the call may be carried out.
    Recorded(HostCall, Lease),
    /// It has been answered, up to the end of the answer.
    Done(HostAnswer),
}
