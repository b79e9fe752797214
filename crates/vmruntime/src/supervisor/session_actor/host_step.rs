//! The steps of a host call that are reported to the session's actor.

use vmcontrol::Lease;

use crate::ipc::{HostAnswer, HostCall};

/// A step of a host call.
pub(super) struct HostStep {
    /// The number of the run that waits for the answer.
    pub(super) run: u64,
    /// The generation of the process that waits for the answer.
    pub(super) generation: u32,
    pub(super) progress: HostProgress,
}

/// The progress of a host call.
pub(super) enum HostProgress {
    /// The record of the execution is on disk: the call may be carried out. The lease is that of
    /// the call's arguments.
    Recorded(HostCall, Lease),
    /// All of the answer has been sent but this end, or the call failed with this error.
    Done(HostAnswer),
}
