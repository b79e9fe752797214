//! The engine's link to the daemon. It has three parts: a meter of the output, a trace for replays,
//! and a channel to the host.

mod host_channel;
mod output_meter;
mod replay_trace;

use std::rc::Rc;

use vmapi_types::{EventType, Limits, RawJson};

use self::host_channel::HostChannel;
use self::output_meter::OutputMeter;
use self::replay_trace::ReplayTrace;
use super::memory::allocator;
use crate::engine::{Evaluation, HostLink};
use crate::ipc::worker_end::Channel;
use crate::ipc::{Answered, FromSession, HostError, Trace};

/// The link of an engine. It is made with the engine, in the zygote, and attached to a channel in a
/// session process.
#[derive(Default)]
pub(super) struct Link {
    meter: OutputMeter,
    trace: ReplayTrace,
    host: HostChannel,
}

impl Link {
    /// Sends events and calls over this channel from now on.
    pub(super) fn attach(&self, channel: Rc<Channel>) {
        self.host.attach(channel);
    }

    /// Detaches scripts from the daemon: their events are dropped, and their calls fail.
    pub(super) fn detach(&self) {
        self.host.detach();
    }

    /// Begins an execution with these limits. In a replay, `recorded` holds the inputs of the first
    /// run; otherwise it is empty.
    pub(super) fn begin(&self, limits: Limits, recorded: &[u64]) {
        self.meter.begin(limits);
        self.trace.begin(recorded);
        self.host.begin();
    }

    /// The trace of the execution, which ended as `end` says; `None` if it is not replayable.
    pub(super) fn trace(&self, end: &Evaluation) -> Option<Trace> {
        self.trace.finish(end)
    }

    /// Whether the script since [`begin`](Self::begin) had no nondeterministic inputs.
    pub(super) fn is_deterministic(&self) -> bool {
        self.trace.is_deterministic_without_inputs()
    }
}

impl HostLink for Link {
    fn event(&self, kind: EventType, payload: RawJson) {
        self.meter.count(&payload);
        self.trace.add_event(kind, &payload, self.meter.bytes());
        self.host.send(&FromSession::Event { kind, payload });
    }

    fn call(
        &self,
        module: &str,
        function: &str,
        args: RawJson,
        body: Vec<u8>,
    ) -> Result<Answered, HostError> {
        self.trace.mark_nondeterministic();
        self.host.call(module, function, args, body)
    }

    fn record_input(&self, ask: &dyn Fn() -> u64) -> u64 {
        self.trace.record_input(ask)
    }

    fn mark_nondeterministic(&self) {
        self.trace.mark_nondeterministic();
    }

    fn collect_if_due(&self, collect: fn()) {
        if allocator::has_grown() {
            // Another process may reach this point with another size of its heap, and scripts can
            // observe what was collected.
            self.mark_nondeterministic();
            collect();
            allocator::count_anew();
        }
    }
}
