//! Why a run was rolled back: maps the death of its process to a failure for the user.

use vmapi_types::Limits;
use vmcontrol::runtime::{Failure, FailureCode};

use crate::ipc::{Death, DeathCause, DeathNote, ExitCause};

/// The failure of a run with the limits `limits` whose session process died as `death` says.
pub(super) fn failure(death: &Death, limits: &Limits) -> Failure {
    let (code, cause) = cause(death, limits);
    rolled_back(code, &cause)
}

/// The code and the cause of a run's end, for a run with the limits `limits` whose session process
/// died as `death` says.
pub(super) fn cause(death: &Death, limits: &Limits) -> (FailureCode, String) {
    match death.cause {
        DeathCause::Signaled(libc::SIGALRM) => (FailureCode::WallTimeLimit, wall_cause(limits)),
        DeathCause::Signaled(libc::SIGPROF) => (
            FailureCode::CpuTimeLimit,
            format!(
                "it used more than {} ms of CPU time (cpu_ms)",
                limits.cpu_ms
            ),
        ),
        DeathCause::Exited(ExitCause::Memory) => (
            FailureCode::MemoryLimit,
            format!(
                "the session needed more than {} MiB of memory (mem_mb)",
                limits.mem_mb
            ),
        ),
        DeathCause::Exited(ExitCause::Output) => (
            FailureCode::OutputLimit,
            death
                .note
                .as_ref()
                .map_or_else(|| "an output limit was passed".into(), DeathNote::to_string),
        ),
        DeathCause::Exited(cause @ ExitCause::Stack) => {
            (FailureCode::StackOverflow, cause.to_string())
        }
        DeathCause::Exited(ExitCause::Deadlock) => (
            FailureCode::Deadlock,
            "it waits for a promise, and nothing is left that could settle it".to_owned(),
        ),
        DeathCause::Exited(_) | DeathCause::Signaled(_) => {
            (FailureCode::RuntimeCrashed, death.to_string())
        }
    }
}

/// The failure of a run that passed its wall limit and was killed by the daemon.
pub(super) fn overdue(limits: &Limits) -> Failure {
    rolled_back(FailureCode::WallTimeLimit, &wall_cause(limits))
}

/// The failure of a run that a client cancelled.
pub(super) fn cancelled() -> Failure {
    rolled_back(FailureCode::Cancelled, "it was cancelled")
}

fn wall_cause(limits: &Limits) -> String {
    format!("it ran longer than {} ms (wall_ms)", limits.wall_ms)
}

fn rolled_back(code: FailureCode, cause: &str) -> Failure {
    Failure {
        code,
        message: format!("{cause}; the session is as it was before"),
    }
}
