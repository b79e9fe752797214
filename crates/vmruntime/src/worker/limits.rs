//! Limits that the kernel enforces on a session process for the time of one execution.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use vmapi_types::Limits;

use super::allocator;

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// What a process maps beside its counted heap: its image, the allocator's slack, the engine's tables.
const DATA_SLACK_BYTES: u64 = 256 * MIB;

/// Bounds the heap of this process, and of all that are forked from it.
pub(super) fn bound_memory(limits: &Limits) {
    let bytes = limits.mem_mb.saturating_mul(MIB);
    allocator::limit_growth(usize::try_from(bytes).unwrap_or(usize::MAX));
}

/// Has the kernel bound what this process maps: it stands behind the counting allocator, for what does not come from that.
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

/// Bounds the heap from now on, to no more than [`bound_memory`] allows.
pub(super) fn bound_heap(limits: &Limits) {
    let bytes = limits.mem_mb.saturating_mul(MIB);
    allocator::limit_to(usize::try_from(bytes).unwrap_or(usize::MAX));
}

/// Starts the clocks of an execution: the process is killed by `SIGALRM` or `SIGPROF` when one runs out.
///
/// # Errors
/// When the system refuses.
pub(super) fn start_clocks(limits: &Limits) -> io::Result<()> {
    set_timer(libc::ITIMER_REAL, Duration::from_millis(limits.wall_ms))?;
    set_timer(libc::ITIMER_PROF, Duration::from_millis(limits.cpu_ms))
}

/// Stops the clocks.
///
/// # Errors
/// When the system refuses.
pub(super) fn stop_clocks() -> io::Result<()> {
    set_timer(libc::ITIMER_REAL, Duration::ZERO)?;
    set_timer(libc::ITIMER_PROF, Duration::ZERO)
}

/// The CPU time of this process so far, in microseconds.
pub(super) fn cpu_time_us() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        let total = usage.user_time() + usage.system_time();
        total.num_microseconds().unsigned_abs()
    })
}

fn set_timer(which: libc::c_int, after: Duration) -> io::Result<()> {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        },
        it_value: libc::timeval {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_usec: libc::suseconds_t::from(after.subsec_micros().cast_signed()),
        },
    };
    // SAFETY: the value is initialised, and the old one is not asked for.
    match unsafe { libc::setitimer(which, &raw const timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
