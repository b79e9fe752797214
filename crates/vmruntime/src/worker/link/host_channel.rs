//! The channel of a session process as scripts use it: it sends events, and calls host modules.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use vmapi_types::RawJson;

use crate::ipc::worker_end::Channel;
use crate::ipc::{
    Answered, ExitCause, FromSession, HostCall, HostError, MAX_ARGS_JSON_BYTES, Pieces, ToSession,
};
use crate::worker::{exit, limits, post_mortem};

/// The most that the bytes and long texts among the arguments of one call may be, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The channel to the daemon, once it is attached.
#[derive(Default)]
pub(super) struct HostChannel {
    /// `None` while scripts reach no host: in the zygote, in a replay, and in a query process.
    channel: RefCell<Option<Rc<Channel>>>,
    /// Whether the execution has called the host.
    has_called: Cell<bool>,
}

impl HostChannel {
    pub(super) fn attach(&self, channel: Rc<Channel>) {
        self.channel.replace(Some(channel));
    }

    pub(super) fn detach(&self) {
        self.channel.replace(None);
    }

    /// Notes that an execution begins, which has called no host module.
    pub(super) fn begin(&self) {
        self.has_called.set(false);
    }

    /// Sends a message, if a channel is attached. If the daemon is gone the process ends: no other
    /// process needs it.
    pub(super) fn send(&self, message: &FromSession) {
        let sent = match &*self.channel.borrow() {
            Some(channel) => channel.send(message),
            None => return,
        };
        if sent.is_err() {
            exit::now(ExitCause::Done);
        }
    }

    /// Calls a function of a host module and waits for the answer.
    ///
    /// # Errors
    /// The error that the module throws; and when the arguments are too large, or no channel is
    /// attached.
    pub(super) fn call(
        &self,
        module: &str,
        function: &str,
        args: RawJson,
        body: Vec<u8>,
    ) -> Result<Answered, HostError> {
        post_mortem::count_host_call();
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
            return await_answer(&channel);
        }
        // Before the first call the daemon brings the execution's record to disk. That time does
        // not count as the script's; the daemon's own clock bounds the rest.
        let left = limits::pause_wall_clock().unwrap_or_else(|error| limits::no_timer(&error));
        self.send(&call);
        let answer = await_answer(&channel);
        limits::resume_wall_clock(left).unwrap_or_else(|error| limits::no_timer(&error));
        answer
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

/// Waits for the daemon's answer to a call. Its pieces count as the script's memory.
fn await_answer(channel: &Channel) -> Result<Answered, HostError> {
    let mut pieces = Pieces::default();
    loop {
        match channel.receive::<ToSession>() {
            Ok(Some(received)) if received.generation == channel.generation() => {
                if let ToSession::HostAnswer(part) = received.message {
                    match pieces.push(part) {
                        Ok(None) => {}
                        Ok(Some(answered)) => return answered,
                        Err(error) => exit::noting(ExitCause::Channel, &error.to_string()),
                    }
                }
            }
            // It is for an earlier generation, which is dead.
            Ok(Some(_)) => {}
            Ok(None) => exit::now(ExitCause::Done),
            Err(error) => exit::noting(ExitCause::Channel, &error.to_string()),
        }
    }
}
