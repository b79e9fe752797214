//! The channel of a session process, as scripts use it: for events and for calls to host modules.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use vmapi_types::RawJson;

use crate::ipc::worker_end::Channel;
use crate::ipc::{
    Answered, ExitCause, FromSession, HostCall, HostError, MAX_ARGS_JSON_BYTES, Pieces, ToSession,
};
use crate::worker::{exit, limits, post_mortem};

/// The largest size of the bytes and long texts among the arguments of one call, in bytes.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The channel to the daemon, which can be attached and detached.
#[derive(Default)]
pub(super) struct HostChannel {
    /// `None` while scripts can't reach the host: in the zygote, in a replay, and in a query
    /// process.
    channel: RefCell<Option<Rc<Channel>>>,
    /// Whether the current execution has called the host.
    has_called: Cell<bool>,
}

impl HostChannel {
    /// Uses this channel from now on.
    pub(super) fn attach(&self, channel: Rc<Channel>) {
        self.channel.replace(Some(channel));
    }

    /// Drops events and refuses calls from now on.
    pub(super) fn detach(&self) {
        self.channel.replace(None);
    }

    /// Begins an execution: it has not called the host.
    pub(super) fn begin(&self) {
        self.has_called.set(false);
    }

    /// Sends a message, if a channel is attached. If the daemon has closed the channel, the process
    /// ends.
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
    /// The error that the module throws; an error if the arguments are too large or no channel is
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
        // Before it carries out the first call, the daemon writes the execution's record to disk.
        // That time does not count as the script's. The call itself is bounded by the daemon's own
        // clock.
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

/// Waits for the daemon's answer to a call. The pieces of the answer count as memory of the script.
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
            // The message is for an earlier generation, which has died.
            Ok(Some(_)) => {}
            Ok(None) => exit::now(ExitCause::Done),
            Err(error) => exit::noting(ExitCause::Channel, &error.to_string()),
        }
    }
}
