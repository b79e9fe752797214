//! A disk that takes as long as the one that the figures to be reached were measured on.
//!
//! Multiples of a commit compare disks that are alike. Where a commit takes a third of that, what makes no commit shorter is
//! three times as many of them.

use std::path::Path;
use std::process::{Command, exit};
use std::time::Duration;

use vm_system_tests::preload_library;

use crate::commit;

/// What a commit took there: the middle of what was measured, 0.29 to 0.37 ms.
const COMMIT: Duration = Duration::from_micros(330);

/// By how much each sync is to take longer, in microseconds.
const LONGER: &str = "SYNC_LONGER_US";

/// Has commits take as long as there, in this program and in daemons that it starts; where they take longer by themselves, the
/// disk stays as it is. Runs this program with these arguments once more for that, and returns in the program that is run.
pub(crate) fn slow_down(arguments: &[String]) {
    if std::env::var_os(LONGER).is_none() {
        run_again(arguments);
    }
    let mut longer = Duration::ZERO;
    // A processor that was idle takes a while to wake up, which the first guess leaves out.
    for _ in 0..3 {
        let commit = commit::measure().p50();
        longer = (longer + COMMIT).saturating_sub(commit);
        // SAFETY: this program has no other thread yet.
        unsafe { std::env::set_var(LONGER, longer.as_micros().to_string()) };
    }
}

fn run_again(arguments: &[String]) -> ! {
    let directory = tempfile::tempdir().expect("a directory");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/slow.c");
    let program = std::env::current_exe().expect("a program knows its own path");
    let status = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", preload_library(&source, directory.path()))
        .env(LONGER, "0")
        .status()
        .expect("this program can be run");
    drop(directory);
    exit(status.code().unwrap_or(1))
}
