//! Clocks that all processes of a daemon share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many times as long unoptimised code takes, about: bounds of time are multiplied by it.
pub(crate) const SLOWDOWN: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

/// The steady clock: the time since some moment before the daemon started, the same moment for all
/// processes.
pub(crate) fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to `time` alone. Every system has this clock, so that it can't fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// The time since 1970 began. It is not steady: users can set it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on() {
        let (steady, of_calendar) = (monotonic(), since_epoch());
        assert!(monotonic() >= steady);
        assert!(of_calendar.as_secs() > 1_700_000_000);
    }
}
