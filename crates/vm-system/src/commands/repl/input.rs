//! The inputs of the console, and the check that a snippet is complete.

use anyhow::anyhow;
use uuid::Uuid;
use vmapi_types::{CompletenessStatus, LOOK_LIMIT};
use vmclient::Client;

use crate::failure::Failure;

/// The prompt for the next input.
pub(crate) const PROMPT: &str = "> ";

/// An input of the console.
pub(crate) enum Input {
    /// A snippet or a dot command.
    Text(String),
    /// Ctrl-C at a terminal.
    Interrupt {
        /// Whether the line had text, which is dropped.
        dropped: bool,
        /// Whether anything was typed since the previous input.
        touched: bool,
    },
    /// A line that is not valid UTF-8.
    InvalidUtf8,
    /// Ctrl-D, or the end of the file or the pipe.
    End,
}

/// Whether the code needs more lines to be complete.
///
/// # Errors
/// When the session can't tell, or the code takes too long to analyse.
pub(crate) async fn needs_more_lines(
    client: &Client,
    session: Uuid,
    code: &str,
) -> Result<bool, Failure> {
    let found = client.is_complete(session, code).await?;
    if found.code.as_deref() == Some(LOOK_LIMIT) {
        let message = found.message.unwrap_or_default();
        return Err(anyhow!("{LOOK_LIMIT}: {message}").into());
    }
    Ok(found.status == CompletenessStatus::Incomplete)
}
