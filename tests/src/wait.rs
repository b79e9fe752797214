//! Waiting for conditions, with a bound.

use std::time::{Duration, Instant};

/// The bound: a condition becomes true within this time even on a slow and busy machine.
const BOUND: Duration = Duration::from_mins(1);

/// How long to wait before the condition is checked again.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` returns a value, and returns that value.
///
/// # Panics
/// If the bound is exceeded; the message names `what`.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::park_timeout(PAUSE);
    }
}
