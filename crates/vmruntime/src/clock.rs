//! Clocks that all processes of a daemon share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many times as long unoptimised code takes, about: what may take a certain time may take so much more there.
pub(crate) const SLOWDOWN: u64 = if cfg!(debug_assertions) { 10 } else { 1 };

/// The time since some moment before the daemon started, which is the same for all processes. It goes steadily.
pub(crate) fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to `time` alone. There is such a clock, so that it can't fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// The time since 1970 began. Somebody may set it.
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
