//! The reasons why a command fails, and the exit status of each.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::SignalKind;
use vmapi_types::ErrorCode;

use crate::screen;

/// The exit status of a command that failed.
const FAILED: u8 = 1;
/// The exit status of a command that a signal ended is this number plus the number of the signal,
/// as in shells.
const SIGNALLED: u8 = 128;
/// The exit status of a usage error.
const USAGE: u8 = 2;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is invalid; the message explains it.
    Usage(String),
    /// The daemon refused a request, or can't be reached.
    Client(vmclient::Error),
    /// An argument names no object, or several, with the error code that the daemon has for this
    /// case.
    Argument {
        /// The API's error code.
        code: ErrorCode,
        /// The message in English, for people.
        message: String,
    },
    /// An error of this process.
    Other(anyhow::Error),
    /// The command succeeded and printed its result, but the execution or the check that it reports
    /// on failed.
    Unsuccessful,
    /// A signal ended the command, like `SIGINT` of Ctrl-C.
    Interrupted(SignalKind),
    /// The reader closed standard output. It counts as success.
    OutputClosed,
}

impl Failure {
    /// The failure of a command that Ctrl-C ended.
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

/// An error of writing the output; every other I/O error carries an `anyhow` context.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::Other(anyhow::Error::new(error).context("cannot write the output"))
    }
}

/// The result of a command that reports on an execution or a check: [`Failure::Unsuccessful`]
/// unless that is good.
pub(crate) fn verdict(is_good: bool) -> Result<(), Failure> {
    if is_good {
        Ok(())
    } else {
        Err(Failure::Unsuccessful)
    }
}

/// Prints the failure on standard error, if there is one, and returns the exit status.
pub(crate) fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    match failure {
        Failure::Usage(message) => {
            print_error(&message);
            ExitCode::from(USAGE)
        }
        Failure::Argument { code, message } => {
            print_error(&format!("{code}: {message}"));
            ExitCode::from(FAILED)
        }
        Failure::Client(error) => {
            print_error(&error.to_string());
            ExitCode::from(FAILED)
        }
        Failure::Other(error) => {
            print_error(&with_causes(&error));
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

/// Prints an error of the argument parser, which is a usage error or a help text that was
/// requested, and returns the exit status.
pub(crate) fn parser_exit_code(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        let mut stdout = screen::stdout();
        let _ = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        return ExitCode::SUCCESS;
    }
    match text.strip_prefix("error: ") {
        Some(message) => print_error(message.trim_end()),
        None => write_to_stderr(&text),
    }
    ExitCode::from(USAGE)
}

/// The error and its causes, joined by colons. A cause whose text is already contained is left out,
/// because some errors repeat their causes.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Prints an error on standard error, from a command that may have several to report.
pub(crate) fn print_error(message: &str) {
    write_to_stderr(&format!("Error: {message}\n"));
}

/// Prints a warning on standard error: a problem with which the command still succeeds.
pub(crate) fn print_warning(message: &str) {
    write_to_stderr(&format!("Warning: {message}\n"));
}

/// Prints a note on standard error: information for a user who waits.
pub(crate) fn print_note(message: &str) {
    write_to_stderr(&format!("{message}\n"));
}

/// Writes to standard error. A failure is ignored, because there is no other stream to report it
/// on.
fn write_to_stderr(text: &str) {
    let mut stderr = screen::stderr();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::with_causes;

    #[test]
    fn a_cause_is_printed_once() {
        let error = anyhow!("no space")
            .context("cannot write a.js: no space")
            .context("failed");
        assert_eq!(with_causes(&error), "failed: cannot write a.js: no space");
        let error = anyhow!("no space").context("cannot write a.js");
        assert_eq!(with_causes(&error), "cannot write a.js: no space");
    }
}
