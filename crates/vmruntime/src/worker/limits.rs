//! The limits of a session process: of its memory, and of the time of each execution.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use vmapi_types::Limits;

use super::exit;
use super::memory::allocator;
use crate::ipc::ExitCause;

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// How much a process may map beside its counted heap, in bytes: for its image, the allocator's
/// overhead and the engine's tables.
const DATA_SLACK_BYTES: u64 = 256 * MIB;

/// Bounds the heap of this process and of its forks to the session's limit, counted from its
/// current size.
pub(super) fn bound_memory(limits: &Limits) {
    allocator::limit_growth(heap_bytes(limits));
}

/// The largest size of a session's heap, in bytes.
pub(super) fn heap_bytes(limits: &Limits) -> usize {
    let bytes = limits.mem_mb.saturating_mul(MIB);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Has the kernel bound what this process maps. It is a second bound behind that of the counting
/// allocator, for memory that the allocator does not count.
///
/// # Errors
/// When the system refuses.
pub(super) fn bound_mappings(limits: &Limits) -> io::Result<()> {
    let bytes = limits.mem_mb.saturating_mul(MIB);
    let (_, hard) = getrlimit(Resource::RLIMIT_DATA)?;
    let data = bytes
        .saturating_add(bytes / 2)
        .saturating_add(DATA_SLACK_BYTES)
        .min(hard);
    setrlimit(Resource::RLIMIT_DATA, data, data)?;
    Ok(())
}

/// Bounds the heap from now on, counted from its size at the last [`bound_memory`].
pub(super) fn bound_heap(limits: &Limits) {
    allocator::limit_to(heap_bytes(limits));
}

/// Starts the two timers of an execution. When one runs out, `SIGALRM` or `SIGPROF` kills the
/// process.
///
/// # Errors
/// When the system refuses.
pub(super) fn start_clocks(limits: &Limits) -> io::Result<()> {
    set_timer(libc::ITIMER_REAL, Duration::from_millis(limits.wall_ms))?;
    set_timer(libc::ITIMER_PROF, Duration::from_millis(limits.cpu_ms))?;
    Ok(())
}

/// Stops both timers.
///
/// # Errors
/// When the system refuses.
pub(super) fn stop_clocks() -> io::Result<()> {
    set_timer(libc::ITIMER_REAL, Duration::ZERO)?;
    set_timer(libc::ITIMER_PROF, Duration::ZERO)?;
    Ok(())
}

/// Stops the timer of an execution's wall time. Returns the time that was left.
///
/// # Errors
/// When the system refuses.
pub(super) fn pause_wall_clock() -> io::Result<Duration> {
    set_timer(libc::ITIMER_REAL, Duration::ZERO)
}

/// Starts the timer of an execution's wall time with the time that was left. A timer with no time
/// left stays stopped.
///
/// # Errors
/// When the system refuses.
pub(super) fn resume_wall_clock(left: Duration) -> io::Result<()> {
    set_timer(libc::ITIMER_REAL, left).map(|_| ())
}

/// Ends the process, because an execution without timers is not bounded.
pub(super) fn no_timer<T>(error: &io::Error) -> T {
    exit::noting(
        ExitCause::Channel,
        &format!("no timer could be set: {error}"),
    )
}

/// The CPU time of this process so far, in microseconds.
pub(super) fn cpu_time_us() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        let total = usage.user_time() + usage.system_time();
        total.num_microseconds().unsigned_abs()
    })
}

/// Sets a timer to run out once, or stops it if `after` is zero. Returns the time that was left of
/// it.
fn set_timer(which: libc::c_int, after: Duration) -> io::Result<Duration> {
    let none = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let timer = libc::itimerval {
        it_interval: none,
        it_value: libc::timeval {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_usec: libc::suseconds_t::from(after.subsec_micros().cast_signed()),
        },
    };
    let mut before = libc::itimerval {
        it_interval: none,
        it_value: none,
    };
    // SAFETY: both are initialised values of this function's own.
    match unsafe { libc::setitimer(which, &raw const timer, &raw mut before) } {
        0 => Ok(Duration::from_secs(before.it_value.tv_sec.unsigned_abs())
            + Duration::from_micros(before.it_value.tv_usec.unsigned_abs())),
        _ => Err(io::Error::last_os_error()),
    }
}
