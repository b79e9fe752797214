//! Clocks that all processes of a daemon share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// About how many times as long unoptimised code takes. Bounds on time are multiplied by it.
pub(crate) const SLOWDOWN: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

/// The monotonic clock: the time since a moment before the daemon started, which is the same moment
/// for all processes.
pub(crate) fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes only to `time`. It can't fail, because every system has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// The wall clock: the time since the start of 1970 (UTC). It is not monotonic, because users can
/// set it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back_and_the_wall_clock_is_set() {
        let (earlier, wall) = (monotonic(), since_epoch());
        assert!(monotonic() >= earlier);
        assert!(wall.as_secs() > 1_700_000_000);
    }
}
