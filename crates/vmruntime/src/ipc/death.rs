//! The death of a worker process: what the kernel reports, and what the process itself wrote
//! before.
//!
//! A worker that ends on purpose ends with an exit status that stands for an [`ExitCause`]. The
//! zygote reads the status when it reaps the process, and reports the [`Death`] to the daemon.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use vmcontrol::runtime::Usage;

use super::HELPER_TIMEOUT;

/// How a process of a session died. Its `Display` is a clause about "its process".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Death {
    /// The generation of the session process; `None` for a checkpoint.
    pub(crate) generation: Option<u32>,
    /// The exit status.
    pub(crate) cause: DeathCause,
    /// What else is known; `None` if the exit status is all.
    pub(crate) note: Option<DeathNote>,
    /// What the newest run of the process used; `None` if it had begun none.
    pub(crate) usage: Option<Usage>,
}

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeathCause {
    /// The process ended by itself.
    Exited(ExitCause),
    /// This signal killed it.
    Signaled(i32),
}

impl DeathCause {
    /// Death by `SIGKILL`: from the zygote, from the kernel when memory ran out, or from a user.
    pub(crate) const KILLED: Self = Self::Signaled(libc::SIGKILL);
}

/// What is known about a death beside the exit status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeathNote {
    /// What the process wrote to its post-mortem page: a text for people, which no code interprets.
    Said(String),
    /// The zygote killed it, because it had been stopped for [`HELPER_TIMEOUT`].
    StoppedTooLong,
    /// Its zygote ended, for this reason, before it could report the death.
    ZygoteGone(String),
}

/// Why a worker process ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExitCause {
    /// The process was not needed any more: a dismissed checkpoint, a closed session, a zygote
    /// whose daemon has ended.
    Done,
    /// The heap passed its limit, or the system had no memory.
    Memory,
    /// An output limit was passed.
    Output,
    /// The native stack overflowed.
    Stack,
    /// The engine or the worker panicked.
    Panic,
    /// The channel to the daemon failed, or a message on it was malformed.
    Channel,
    /// No checkpoint could be made.
    Checkpoint,
    /// Native code accessed memory that is not mapped.
    Fault,
    /// The script waited for a promise that nothing could settle any more.
    Deadlock,
    /// A replay had another trace than the first run.
    ReplayDiverged,
    /// No worker ends with this status on purpose.
    Other(i32),
}

impl ExitCause {
    /// The exit status of a process that ends for this cause.
    pub(crate) const fn status(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::Memory => 70,
            Self::Output => 71,
            Self::Stack => 72,
            Self::Panic => 73,
            Self::Channel => 74,
            Self::Checkpoint => 75,
            Self::Fault => 76,
            Self::Deadlock => 77,
            Self::ReplayDiverged => 78,
            Self::Other(status) => status,
        }
    }

    /// The cause that an exit status stands for.
    pub(crate) fn of_status(status: i32) -> Self {
        let known = [
            Self::Done,
            Self::Memory,
            Self::Output,
            Self::Stack,
            Self::Panic,
            Self::Channel,
            Self::Checkpoint,
            Self::Fault,
            Self::Deadlock,
            Self::ReplayDiverged,
        ];
        let found = known.into_iter().find(|cause| cause.status() == status);
        found.unwrap_or(Self::Other(status))
    }
}

impl fmt::Display for ExitCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Memory => "it needed too much memory",
            Self::Output => "it printed too much",
            Self::Stack => "native code of the engine recursed too deeply",
            Self::Panic => "the engine panicked",
            Self::Channel => "its channel to the daemon failed",
            Self::Checkpoint => "it could not be checkpointed",
            Self::Fault => "the engine touched invalid memory",
            Self::ReplayDiverged => "the replay of what it had run diverged",
            Self::Done | Self::Deadlock | Self::Other(_) => {
                return write!(formatter, "its process ended with status {}", self.status());
            }
        })
    }
}

impl fmt::Display for DeathNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) => formatter.write_str(text),
            Self::StoppedTooLong => {
                write!(
                    formatter,
                    "it had been stopped for {} s",
                    HELPER_TIMEOUT.as_secs()
                )
            }
            Self::ZygoteGone(reason) => formatter.write_str(&zygote_gone(reason)),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.of("its process"))
    }
}

impl Death {
    /// The death as a clause about a process that the sentence calls `process`.
    pub(crate) fn of(&self, process: &str) -> impl fmt::Display {
        fmt::from_fn(move |formatter| {
            match self.cause {
                DeathCause::Exited(cause) => write!(formatter, "{cause}")?,
                DeathCause::Signaled(signal) => {
                    write!(formatter, "{process} was killed by {}", named(signal))?;
                }
            }
            match &self.note {
                Some(note) => write!(formatter, ": {note}"),
                None => Ok(()),
            }
        })
    }
}

/// The sentence about a session's zygote that has ended, for this reason.
pub(crate) fn zygote_gone(reason: &str) -> String {
    format!("its worker process, the zygote, is gone: {reason}")
}

/// The sentence about the end of a child of the daemon.
pub(crate) fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(status), _) => ExitCause::of_status(status).to_string(),
        (None, Some(signal)) => format!("it was killed by {}", named(signal)),
        (None, None) => "it ended".into(),
    }
}

/// A signal by its number and its name.
fn named(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |name| format!("signal {signal} ({})", name.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_cause_is_known_by_its_status() {
        for status in 0..=255 {
            assert_eq!(ExitCause::of_status(status).status(), status);
        }
        assert_eq!(ExitCause::of_status(70), ExitCause::Memory);
        assert_eq!(ExitCause::of_status(1), ExitCause::Other(1));
    }

    #[test]
    fn a_death_is_shown_with_its_signal_and_its_note() {
        let death = Death {
            generation: Some(1),
            cause: DeathCause::KILLED,
            note: Some(DeathNote::StoppedTooLong),
            usage: None,
        };
        assert_eq!(
            death.to_string(),
            "its process was killed by signal 9 (SIGKILL): it had been stopped for 3 s"
        );
        let death = Death {
            cause: DeathCause::Exited(ExitCause::Panic),
            note: Some(DeathNote::Said("index out of bounds".into())),
            ..death
        };
        assert_eq!(
            death.of("it").to_string(),
            "the engine panicked: index out of bounds"
        );
    }
}
