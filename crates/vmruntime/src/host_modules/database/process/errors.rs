//! The errors of the module.

use crate::ipc::HostError;

/// The longest message of an error, in bytes: SQLite repeats the SQL text in it.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// An error with this message, cut to [`MAX_MESSAGE_BYTES`].
pub(super) fn error(message: impl Into<String>) -> HostError {
    let mut message = message.into();
    if message.len() > MAX_MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        message.push_str("...");
    }
    HostError::new(message)
}
