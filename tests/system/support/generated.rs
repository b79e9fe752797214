//! Runs tests with generated inputs for a bounded time.
//!
//! Each test tries inputs for `VM_SYSTEM_FUZZ_SECONDS`, or for two seconds. The first input that
//! fails is reduced and shown.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The number of inputs that are tried between two readings of the clock.
const CASES: u32 = 10;

/// Tries inputs until the time is over.
#[track_caller]
pub(crate) fn for_generated_inputs<S: Strategy<Value: Debug>>(
    strategy: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seconds = std::env::var("VM_SYSTEM_FUZZ_SECONDS").map_or(2, |text| {
        text.parse()
            .expect("VM_SYSTEM_FUZZ_SECONDS is a number of seconds")
    });
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut cases = 0;
    while Instant::now() < deadline {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            max_shrink_iters: 100,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(strategy, &check);
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
        cases += CASES;
    }
    println!("{cases} inputs");
}
