//! How a command can fail, and the exit status that says so.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::SignalKind;
use vmapi_types::ErrorCode;

use crate::output;

/// The exit status of a command that failed.
const FAILED: u8 = 1;
/// What the number of the signal that ended a command is added to for its exit status, as shells have it.
const SIGNALLED: u8 = 128;
/// The exit status of a command line that makes no sense.
const USAGE: u8 = 2;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The daemon refused, or is not there.
    Client(vmclient::Error),
    /// Nothing is meant by an argument, or more than one thing: with the code that the daemon has for that.
    Argument {
        /// The code.
        code: ErrorCode,
        /// A sentence for people.
        message: String,
    },
    /// Something of this process's own.
    Other(anyhow::Error),
    /// The command did its part and printed it, but what it ran failed.
    Unsuccessful,
    /// A signal ended it, like that of Ctrl-C.
    Interrupted(SignalKind),
    /// Whoever reads the output has seen enough.
    OutputClosed,
}

impl Failure {
    /// Ctrl-C ended it.
    pub(crate) fn ctrl_c() -> Self {
        Self::Interrupted(SignalKind::interrupt())
    }
}

impl From<vmclient::Error> for Failure {
    fn from(error: vmclient::Error) -> Self {
        match error {
            vmclient::Error::BaseUrl { .. } => Self::Usage(format!("--server-url: {error}")),
            vmclient::Error::PathSegment(_) | vmclient::Error::Token => {
                Self::Usage(error.to_string())
            }
            _ => Self::Client(error),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Of writing the output; every other I/O error carries a context.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::Other(anyhow::Error::new(error).context("cannot write the output"))
    }
}

/// What a command comes to that did its part: it fails if what it ran or looked at is not good.
pub(crate) fn verdict(is_good: bool) -> Result<(), Failure> {
    if is_good {
        Ok(())
    } else {
        Err(Failure::Unsuccessful)
    }
}

/// Says on standard error what went wrong, if anything, and gives the exit status.
pub(crate) fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    match failure {
        Failure::Usage(message) => {
            say_error(&message);
            ExitCode::from(USAGE)
        }
        Failure::Argument { code, message } => {
            say_error(&format!("{code}: {message}"));
            ExitCode::from(FAILED)
        }
        Failure::Client(error) => {
            say_error(&error.to_string());
            ExitCode::from(FAILED)
        }
        Failure::Other(error) => {
            say_error(&with_causes(&error));
            ExitCode::from(FAILED)
        }
        Failure::Unsuccessful => ExitCode::from(FAILED),
        Failure::Interrupted(signal) => {
            let number = u8::try_from(signal.as_raw_value()).unwrap_or_default();
            ExitCode::from(SIGNALLED.saturating_add(number))
        }
        Failure::OutputClosed => ExitCode::SUCCESS,
    }
}

/// The same for what the argument parser has to say: a usage error, or a help text that was asked for.
pub(crate) fn parser_exit_code(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        let mut stdout = output::stdout();
        let _ = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        return ExitCode::SUCCESS;
    }
    match text.strip_prefix("error: ") {
        Some(message) => say_error(message.trim_end()),
        None => write_to_stderr(&text),
    }
    ExitCode::from(USAGE)
}

/// The error and its causes, each once: some errors repeat theirs.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Says what failed, when a command has more than one such thing to say.
pub(crate) fn say_error(message: &str) {
    write_to_stderr(&format!("Error: {message}\n"));
}

/// Says what does not keep the command from succeeding.
pub(crate) fn say_warning(message: &str) {
    write_to_stderr(&format!("Warning: {message}\n"));
}

/// Says what somebody who waits may want to know.
pub(crate) fn say_note(message: &str) {
    write_to_stderr(&format!("{message}\n"));
}

/// There is nobody to tell when standard error is gone, and no reason to panic.
fn write_to_stderr(text: &str) {
    let mut stderr = output::stderr();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::with_causes;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow!("no space")
            .context("cannot write a.js: no space")
            .context("failed");
        assert_eq!(with_causes(&error), "failed: cannot write a.js: no space");
        let error = anyhow!("no space").context("cannot write a.js");
        assert_eq!(with_causes(&error), "cannot write a.js: no space");
    }
}
