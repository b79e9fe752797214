//! A script's ways out of its process: events, and calls to host modules. Limits on output are counted here.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use vmapi_types::{EventType, Limits, RawJson};

use super::memory::allocator;
use super::{exit, limits, post_mortem as page};
use crate::engine::{Evaluation, HostLink};
use crate::ipc::worker_end::Channel;
use crate::ipc::{
    Answered, FromSession, HostCall, HostError, MAX_ARGS_JSON_BYTES, MAX_FROM_SESSION_BYTES,
    MAX_INPUTS, Pieces, ToSession, Trace,
};

/// The most that an event may say, in bytes of JSON: what a message may be, without what stands around it there.
const MAX_PAYLOAD_BYTES: usize = MAX_FROM_SESSION_BYTES as usize - 1024;

/// The most that the bytes and long texts among the arguments of one call may be, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// How much an execution may print that is to be run once more instead of kept, in bytes of JSON.
const MAX_REPEATED_BYTES: u64 = 16 * 1024;

/// The engine's link to the daemon. It is made with the engine, in the zygote, and attached in a session process.
#[derive(Default)]
pub(super) struct Link {
    channel: RefCell<Option<Rc<Channel>>>,
    limits: Cell<Limits>,
    events: Cell<u64>,
    output_bytes: Cell<u64>,
    /// Whether this execution has called the host.
    has_called: Cell<bool>,
    /// Whether it would go the same way once more, as far as is known.
    is_repeatable: Cell<bool>,
    /// Of its events.
    digest: RefCell<DefaultHasher>,
    /// What it has learnt from outside, in its order.
    inputs: RefCell<Vec<u64>>,
    /// What it learnt the first time, if it is run once more.
    learnt_before: RefCell<Vec<u64>>,
}

impl Link {
    pub(super) fn attach(&self, channel: Rc<Channel>) {
        self.channel.replace(Some(channel));
    }

    /// Cuts the scripts off: their events go nowhere, and their calls fail.
    pub(super) fn detach(&self) {
        self.channel.replace(None);
    }

    /// Starts to count anew, for one execution: with what it learnt, if it is run once more.
    pub(super) fn begin(&self, limits: Limits, inputs: &[u64]) {
        self.limits.set(limits);
        self.events.set(0);
        self.output_bytes.set(0);
        self.has_called.set(false);
        self.is_repeatable.set(true);
        self.digest.take();
        self.inputs.take();
        self.learnt_before.replace(inputs.to_vec());
    }

    /// What this execution has learnt, and a digest of what it has sent and of how it ended; nothing if it is not one that goes
    /// the same way whenever it is run in the same state and told the same.
    pub(super) fn trace(&self, end: &Evaluation) -> Option<Trace> {
        if !self.is_repeatable.get() {
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

    /// Whether what ran since [`begin`](Self::begin) was without nondeterministic inputs.
    pub(super) fn is_deterministic(&self) -> bool {
        self.is_repeatable.get() && self.inputs.borrow().is_empty()
    }

    fn send(&self, message: &FromSession) {
        let sent = match &*self.channel.borrow() {
            Some(channel) => channel.send(message),
            None => return,
        };
        if sent.is_err() {
            // The daemon is gone, and with it whoever would hear of this.
            exit::now(exit::DONE);
        }
    }

    fn note_event(&self, kind: EventType, payload: &RawJson) {
        if !self.is_repeatable.get() {
            return;
        }
        if self.output_bytes.get() > MAX_REPEATED_BYTES {
            self.mark_nondeterministic();
            return;
        }
        let digest = &mut *self.digest.borrow_mut();
        kind.hash(digest);
        payload.get().hash(digest);
    }

    fn count(&self, payload: &RawJson) {
        let limits = self.limits.get();
        self.events.set(self.events.get() + 1);
        if self.events.get() > limits.max_events {
            let note = format!(
                "the limit of {} events (max_events) was passed",
                limits.max_events
            );
            exit::noting(exit::OUTPUT, &note);
        }
        if payload.get().len() > MAX_PAYLOAD_BYTES {
            let note = format!(
                "an event of {} bytes was larger than any may be ({MAX_PAYLOAD_BYTES} bytes)",
                payload.get().len()
            );
            exit::noting(exit::OUTPUT, &note);
        }
        let bytes = self.output_bytes.get() + payload.get().len() as u64;
        self.output_bytes.set(bytes);
        if bytes > limits.max_output_kb.saturating_mul(1024) {
            let note = format!(
                "the limit of {} KiB of output (max_output_kb) was passed",
                limits.max_output_kb
            );
            exit::noting(exit::OUTPUT, &note);
        }
    }
}

impl HostLink for Link {
    fn event(&self, kind: EventType, payload: RawJson) {
        self.count(&payload);
        self.note_event(kind, &payload);
        self.send(&FromSession::Event { kind, payload });
    }

    fn call(
        &self,
        module: &str,
        function: &str,
        args: RawJson,
        body: Vec<u8>,
    ) -> Result<Answered, HostError> {
        page::count_host_call();
        self.mark_nondeterministic();
        check_size(
            "the strings and bytes among the arguments",
            &body,
            MAX_BODY_BYTES,
        )?;
        let others = "all else than long strings and bytes among the arguments";
        check_size(others, args.get().as_bytes(), MAX_ARGS_JSON_BYTES)?;
        let channel = self.channel.borrow().clone();
        let Some(channel) = channel else {
            return Err(HostError::new("there is no host to call"));
        };
        let call = FromSession::HostCall(HostCall {
            module: module.to_owned(),
            function: function.to_owned(),
            args,
            body: body.into(),
        });
        if self.has_called.replace(true) {
            self.send(&call);
            return await_reply(&channel);
        }
        // Before the first call the daemon brings the execution's record to disk. That time is not the script's; the daemon's
        // own clock bounds the rest.
        let left = limits::pause_wall_clock().unwrap_or_else(|error| limits::no_timer(&error));
        self.send(&call);
        let reply = await_reply(&channel);
        limits::resume_wall_clock(left).unwrap_or_else(|error| limits::no_timer(&error));
        reply
    }

    fn record_input(&self, ask: &dyn Fn() -> u64) -> u64 {
        let mut inputs = self.inputs.borrow_mut();
        let before = self.learnt_before.borrow().get(inputs.len()).copied();
        let told = before.unwrap_or_else(ask);
        if inputs.len() < MAX_INPUTS {
            inputs.push(told);
        } else {
            self.mark_nondeterministic();
        }
        told
    }

    fn mark_nondeterministic(&self) {
        self.is_repeatable.set(false);
    }

    fn collect_if_due(&self, collect: fn()) {
        if allocator::has_grown() {
            // Another process may come to this point with another size of its heap, and scripts can see what is collected.
            self.mark_nondeterministic();
            collect();
            allocator::count_anew();
        }
    }
}

fn check_size(what: &str, given: &[u8], limit: usize) -> Result<(), HostError> {
    if given.len() <= limit {
        return Ok(());
    }
    let message = format!(
        "{what} take {} bytes, and at most {limit} can be handed over",
        given.len()
    );
    Err(HostError::with_code("ERR_OUT_OF_RANGE", message))
}

/// Waits for the daemon's answer to a call. What comes of it counts as the script's memory.
fn await_reply(channel: &Channel) -> Result<Answered, HostError> {
    let mut pieces = Pieces::default();
    loop {
        match channel.receive::<ToSession>() {
            Ok(Some(received)) if received.generation == channel.generation() => {
                if let ToSession::HostAnswer(part) = received.message {
                    match pieces.push(part) {
                        Ok(None) => {}
                        Ok(Some(answered)) => return answered,
                        Err(error) => exit::noting(exit::CHANNEL, &error.to_string()),
                    }
                }
            }
            // What was meant for a process that is dead.
            Ok(Some(_)) => {}
            Ok(None) => exit::now(exit::DONE),
            Err(error) => exit::noting(exit::CHANNEL, &error.to_string()),
        }
    }
}
