//! An artificially slower disk: as slow as the one on which the target figures were measured.
//!
//! Multiples of a commit are comparable only between similar disks. Where a commit takes a third of
//! the time, the parts of an execution that do not depend on the disk are three times as many
//! commits.

use std::path::Path;
use std::process::{Command, exit};
use std::time::Duration;

use vm_system_tests::preload_library;

use crate::commit;

/// The time of a commit on the reference disk: the middle of the measured range of 0.29 to 0.37 ms.
const REFERENCE_COMMIT: Duration = Duration::from_micros(330);

/// The environment variable with the delay that is added to each sync, in microseconds.
const DELAY_VARIABLE: &str = "SYNC_DELAY_US";

/// Delays commits to the reference time, in this program and in the daemons that it starts; where a
/// commit takes longer by itself, there is no delay. The first call runs this program again with
/// the delaying library preloaded, and exits with its status; the call in that second process
/// returns.
pub(crate) fn slow_down(arguments: &[String]) {
    if std::env::var_os(DELAY_VARIABLE).is_none() {
        run_with_delay(arguments);
    }
    let mut delay = Duration::ZERO;
    // An idle processor takes a while to wake up, which the first estimate leaves out.
    for _ in 0..3 {
        let commit = commit::measure().p50();
        delay = (delay + REFERENCE_COMMIT).saturating_sub(commit);
        // SAFETY: this program has no other thread yet.
        unsafe { std::env::set_var(DELAY_VARIABLE, delay.as_micros().to_string()) };
    }
}

fn run_with_delay(arguments: &[String]) -> ! {
    let directory = tempfile::tempdir().expect("a directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/slow.c");
    let program = std::env::current_exe().expect("a program knows its own path");
    let status = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", preload_library(&source, directory.path()))
        .env(DELAY_VARIABLE, "0")
        .status()
        .expect("this program can be run");
    drop(directory);
    exit(status.code().unwrap_or(1))
}
