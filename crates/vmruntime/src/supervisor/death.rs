//! What a death means: from an exit status and a note to a cause in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use vmapi_types::Limits;
use vmcontrol::runtime::{Failure, FailureCode};

use crate::ipc::{Death, DeathCause};
use crate::worker::exit;

/// Why a run was rolled back whose session process died like this.
pub(super) fn failure(death: &Death, limits: &Limits) -> Failure {
    let (code, cause) = run_cause(death, limits);
    undone(code, &cause, death)
}

/// Why a run ended whose session process died like this.
pub(super) fn run_cause(death: &Death, limits: &Limits) -> (FailureCode, String) {
    let note = death.note.as_deref();
    match death.cause {
        DeathCause::Signaled(libc::SIGALRM) => (FailureCode::WallTimeLimit, wall_cause(limits)),
        DeathCause::Signaled(libc::SIGPROF) => (
            FailureCode::CpuTimeLimit,
            format!(
                "it used more than {} ms of CPU time (cpu_ms)",
                limits.cpu_ms
            ),
        ),
        DeathCause::Exited(exit::MEMORY) => (
            FailureCode::MemoryLimit,
            format!(
                "the session needed more than {} MiB of memory (mem_mb)",
                limits.mem_mb
            ),
        ),
        DeathCause::Exited(exit::OUTPUT) => (
            FailureCode::OutputLimit,
            note.unwrap_or("an output limit was passed").to_owned(),
        ),
        DeathCause::Exited(exit::STACK) => (FailureCode::StackOverflow, code_text(exit::STACK)),
        DeathCause::Exited(exit::DEADLOCK) => (
            FailureCode::Deadlock,
            "it waits for a promise, and nothing is left that could settle it".to_owned(),
        ),
        DeathCause::Exited(_) | DeathCause::Signaled(_) => {
            (FailureCode::RuntimeCrashed, cause_text(death))
        }
    }
}

/// Why a run was rolled back that passed the wall limit.
pub(super) fn wall_failure(death: &Death, limits: &Limits) -> Failure {
    undone(FailureCode::WallTimeLimit, &wall_cause(limits), death)
}

fn wall_cause(limits: &Limits) -> String {
    format!("it ran longer than {} ms (wall_ms)", limits.wall_ms)
}

/// Why a run was rolled back that somebody cancelled.
pub(super) fn cancelled(death: &Death) -> Failure {
    undone(FailureCode::Cancelled, "it was cancelled", death)
}

fn undone(code: FailureCode, cause: &str, death: &Death) -> Failure {
    Failure {
        code,
        message: format!("{cause}; the session is as it was before"),
        usage: death.usage,
    }
}

/// How a session process died, in words.
pub(super) fn cause_text(death: &Death) -> String {
    cause_of("its process", death)
}

/// How a process died, in words, with what it is called there.
pub(super) fn cause_of(process: &str, death: &Death) -> String {
    let what = match death.cause {
        DeathCause::Exited(code) => code_text(code),
        DeathCause::Signaled(signal) => {
            format!("{process} was killed by {}", signal_text(signal))
        }
    };
    match &death.note {
        Some(note) => format!("{what}: {note}"),
        None => what,
    }
}

/// What the code means that a process ended with.
fn code_text(code: i32) -> String {
    match code {
        exit::MEMORY => "it needed too much memory".to_owned(),
        exit::OUTPUT => "it printed too much".to_owned(),
        exit::STACK => "native code of the engine recursed too deeply".to_owned(),
        exit::PANIC => "the engine panicked".to_owned(),
        exit::CHANNEL => "its channel to the daemon failed".to_owned(),
        exit::CHECKPOINT => "it could not be checkpointed".to_owned(),
        exit::REDO => "what it had run could not be run again to the same end".to_owned(),
        exit::FAULT => "the engine touched invalid memory".to_owned(),
        code => format!("its process ended with status {code}"),
    }
}

/// How a child of the daemon ended, in words.
pub(super) fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code_text(code),
        (None, Some(signal)) => format!("it was killed by {}", signal_text(signal)),
        (None, None) => "it ended".into(),
    }
}

fn signal_text(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |name| format!("signal {signal} ({})", name.as_str()),
    )
}
