//! The trace that makes an execution replayable: its nondeterministic inputs, and a digest of its
//! events and its end.
//!
//! In the first run of an execution its inputs are recorded. A replay gets the recorded inputs in
//! their order, and its trace must equal the first one. An execution that depends on anything else
//! has no trace: it is marked as nondeterministic.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};

use vmapi_types::{EventType, RawJson};

use crate::engine::Evaluation;
use crate::ipc::{MAX_INPUTS, Trace};

/// The largest output of an execution that goes to the replay log, in bytes of JSON.
const MAX_REPLAYED_OUTPUT_BYTES: u64 = 16 * 1024;

/// The trace of the current execution.
#[derive(Default)]
pub(super) struct ReplayTrace {
    /// Whether the execution can be replayed, as far as is known.
    is_deterministic: Cell<bool>,
    /// The digest of its events so far.
    digest: RefCell<DefaultHasher>,
    /// Its inputs so far.
    inputs: RefCell<Vec<u64>>,
    /// In a replay, the inputs of the first run; empty in a first run.
    recorded: RefCell<Vec<u64>>,
}

impl ReplayTrace {
    /// Starts the trace of one execution. In a replay, `recorded` holds the inputs of the first
    /// run.
    pub(super) fn begin(&self, recorded: &[u64]) {
        self.is_deterministic.set(true);
        self.digest.take();
        self.inputs.take();
        self.recorded.replace(recorded.to_vec());
    }

    /// Adds an event to the digest. `output_bytes` is the size of all output, this event included,
    /// in bytes of JSON.
    pub(super) fn add_event(&self, kind: EventType, payload: &RawJson, output_bytes: u64) {
        if !self.is_deterministic.get() {
            return;
        }
        if output_bytes > MAX_REPLAYED_OUTPUT_BYTES {
            self.mark_nondeterministic();
            return;
        }
        let digest = &mut *self.digest.borrow_mut();
        kind.hash(digest);
        payload.get().hash(digest);
    }

    /// Returns the next input: the recorded one in a replay, otherwise the one that `ask` returns.
    pub(super) fn record_input(&self, ask: &dyn Fn() -> u64) -> u64 {
        let mut inputs = self.inputs.borrow_mut();
        let recorded = self.recorded.borrow().get(inputs.len()).copied();
        let input = recorded.unwrap_or_else(ask);
        if inputs.len() < MAX_INPUTS {
            inputs.push(input);
        } else {
            self.mark_nondeterministic();
        }
        input
    }

    /// Marks the execution as one that can't be replayed.
    pub(super) fn mark_nondeterministic(&self) {
        self.is_deterministic.set(false);
    }

    /// The trace of the execution, which ended as `end` says; `None` if it is not replayable.
    pub(super) fn finish(&self, end: &Evaluation) -> Option<Trace> {
        if !self.is_deterministic.get() {
            return None;
        }
        let mut digest = self.digest.borrow().clone();
        end.threw.hash(&mut digest);
        end.payload.get().hash(&mut digest);
        Some(Trace {
            inputs: self.inputs.borrow().clone(),
            digest: digest.finish(),
        })
    }

    /// Whether the execution used no nondeterministic input at all.
    pub(super) fn is_deterministic_without_inputs(&self) -> bool {
        self.is_deterministic.get() && self.inputs.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::value::to_raw_value;

    use super::*;

    fn end(value: u64) -> Evaluation {
        Evaluation {
            threw: false,
            payload: to_raw_value(&value).unwrap(),
        }
    }

    /// Traces an execution that prints its two inputs.
    fn run(trace: &ReplayTrace, recorded: &[u64]) -> Option<Trace> {
        let clock = Cell::new(100);
        let ask = || clock.replace(clock.get() + 1);
        trace.begin(recorded);
        for _ in 0..2 {
            let payload = to_raw_value(&trace.record_input(&ask)).unwrap();
            trace.add_event(EventType::Console, &payload, 3);
        }
        trace.finish(&end(7))
    }

    #[test]
    fn a_replay_is_given_the_recorded_inputs_and_has_the_same_trace() {
        let trace = ReplayTrace::default();
        let first = run(&trace, &[]).unwrap();
        assert_eq!(first.inputs, [100, 101]);
        assert_eq!(run(&trace, &first.inputs).as_ref(), Some(&first));
        let other = run(&trace, &[5, 6]).unwrap();
        assert_eq!(other.inputs, [5, 6]);
        assert_ne!(other.digest, first.digest);
    }

    #[test]
    fn an_execution_with_many_inputs_or_much_output_has_no_trace() {
        let trace = ReplayTrace::default();
        trace.begin(&[]);
        for _ in 0..MAX_INPUTS {
            trace.record_input(&|| 1);
        }
        assert!(trace.finish(&end(1)).is_some());
        trace.record_input(&|| 1);
        assert!(trace.finish(&end(1)).is_none());
        trace.begin(&[]);
        let payload = to_raw_value("text").unwrap();
        trace.add_event(EventType::Console, &payload, MAX_REPLAYED_OUTPUT_BYTES);
        assert!(trace.finish(&end(1)).is_some());
        trace.add_event(EventType::Console, &payload, MAX_REPLAYED_OUTPUT_BYTES + 1);
        assert!(trace.finish(&end(1)).is_none());
    }

    #[test]
    fn only_an_execution_without_inputs_is_deterministic_in_another_zygote() {
        let trace = ReplayTrace::default();
        trace.begin(&[]);
        assert!(trace.is_deterministic_without_inputs());
        trace.record_input(&|| 1);
        assert!(!trace.is_deterministic_without_inputs());
    }
}
