//! The limits of an execution's output: the number of its events and their size.

use std::cell::Cell;

use vmapi_types::{Limits, RawJson};

use crate::ipc::{ExitCause, MAX_FROM_SESSION_BYTES};
use crate::worker::exit;

/// The largest payload of an event, in bytes of JSON: the largest message, less 1 KiB for the rest
/// of the message.
const MAX_PAYLOAD_BYTES: usize = MAX_FROM_SESSION_BYTES as usize - 1024;

/// Counts the output of an execution, and ends the process when a limit is passed.
#[derive(Default)]
pub(super) struct OutputMeter {
    limits: Cell<Limits>,
    events: Cell<u64>,
    /// The size of the payloads so far, in bytes of JSON.
    bytes: Cell<u64>,
}

impl OutputMeter {
    /// Resets the counts, for an execution with these limits.
    pub(super) fn begin(&self, limits: Limits) {
        self.limits.set(limits);
        self.events.set(0);
        self.bytes.set(0);
    }

    /// The size of the payloads so far, in bytes of JSON.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts an event. Ends the process if a limit is passed.
    pub(super) fn count(&self, payload: &RawJson) {
        let limits = self.limits.get();
        self.events.set(self.events.get() + 1);
        if self.events.get() > limits.max_events {
            let limit = limits.max_events;
            exceeded(&format!(
                "the limit of {limit} events (max_events) was passed"
            ));
        }
        let size = payload.get().len();
        if size > MAX_PAYLOAD_BYTES {
            exceeded(&format!(
                "an event of {size} bytes was larger than any may be ({MAX_PAYLOAD_BYTES} bytes)"
            ));
        }
        self.bytes.set(self.bytes.get() + size as u64);
        if self.bytes.get() > limits.max_output_kb.saturating_mul(1024) {
            let limit = limits.max_output_kb;
            exceeded(&format!(
                "the limit of {limit} KiB of output (max_output_kb) was passed"
            ));
        }
    }
}

fn exceeded(note: &str) -> ! {
    exit::noting(ExitCause::Output, note)
}
