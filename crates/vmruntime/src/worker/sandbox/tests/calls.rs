//! Tests with the number of every system call of the kernel.

use std::collections::BTreeSet;

use super::{Attempt, confined, outcome};
use crate::worker::sandbox::filter::ALLOWED;

/// A number beyond the last system call of every kernel so far.
const LAST_CALL: libc::c_long = 600;

/// `uretprobe` and `uprobe`: the kernel exempts them from every filter, and answers with `SIGILL`
/// unless they come from code that it has put there itself.
#[cfg(target_arch = "x86_64")]
const PROBES: [libc::c_long; 2] = [335, 336];
#[cfg(not(target_arch = "x86_64"))]
const PROBES: [libc::c_long; 0] = [];

/// Calls beyond this number belong to another calling convention, which 64-bit kernels may have,
/// too.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

#[test]
fn every_call_that_is_not_listed_is_refused() {
    let allowed: BTreeSet<_> = ALLOWED.iter().map(|allowed| allowed.number).collect();
    let refused =
        (0..LAST_CALL).filter(|number| !allowed.contains(number) && !PROBES.contains(number));
    #[cfg(target_arch = "x86_64")]
    let refused = refused.chain((0..LAST_CALL).map(|number| X32 + number));
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() > 400);
    let attempt: Attempt<'_> = &|| {
        for number in &refused {
            let expected = match *number {
                libc::SYS_clone3 => libc::ENOSYS,
                _ => libc::EPERM,
            };
            // SAFETY: the filter answers before the kernel reads an argument; if it does not, the
            // test fails.
            let answer = outcome(unsafe { libc::syscall(*number, -1, -1, -1, -1, -1, -1) });
            if answer != Err(expected) {
                return Err(1);
            }
        }
        Ok(())
    };
    assert_eq!(confined(attempt), Ok(()));
}

#[test]
fn the_list_has_each_call_once_in_order() {
    assert!(ALLOWED.is_sorted_by_key(|allowed| allowed.name));
    let numbers: BTreeSet<_> = ALLOWED.iter().map(|allowed| allowed.number).collect();
    assert_eq!(numbers.len(), ALLOWED.len());
}
