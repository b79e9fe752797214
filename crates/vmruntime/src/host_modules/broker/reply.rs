//! Constructors for answers to host calls, and for errors that several modules use.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::ipc::{HostCall, HostError, HostReply};

/// The answer with this value.
///
/// # Errors
/// When the value can't be written as JSON, which is a bug.
pub(crate) fn answer(value: &impl Serialize) -> HostReply {
    to_raw_value(value).map_err(|error| HostError::new(error.to_string()))
}

/// The answer of a function that returns nothing.
pub(crate) fn done() -> HostReply {
    answer(&Value::Null)
}

/// Runs work on a thread that may block.
///
/// # Errors
/// The errors of the work; an error if the work panics.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(HostError::new(format!("the service failed: {error}"))))
}

/// The error of a call for which the daemon has no memory at the moment.
pub(crate) fn busy() -> HostError {
    HostError::with_code(
        "ERR_HOST_BUSY",
        "the service holds too much for sessions just now: try again, or read and write in smaller parts",
    )
}

/// The error of a call whose answer can't be sent. No script sees it, because the session process
/// has ended.
pub(crate) fn unsent(error: &io::Error) -> HostError {
    HostError::new(format!("the answer can't be sent: {error}"))
}

/// The error of a call to a function that the module does not have.
pub(crate) fn unknown_function(call: &HostCall) -> HostError {
    HostError::new(format!(
        "module {} has no function {}",
        call.module, call.function
    ))
}

/// The command that adds a capability to a template, as a message shows it.
pub(crate) fn add_capability_command(
    template: &str,
    kind: &str,
    name: &str,
    config: Option<&Value>,
) -> String {
    let config = config.map_or(String::new(), |config| {
        let quoted = config.to_string().replace('\'', "'\\''");
        format!(" --config '{quoted}'")
    });
    format!("`vm-system template add-capability {template} --kind {kind} --name {name}{config}`")
}
