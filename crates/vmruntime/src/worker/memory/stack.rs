//! The unused part of the stack, which no fork needs.
//!
//! The evaluation of a script uses much of the stack and returns; afterwards the pages below are
//! unused. A fork would still share those pages with the new process, and each would be copied when
//! the next script writes to it. So the kernel is told to give new processes empty pages there
//! (`MADV_WIPEONFORK`). The process that forks keeps its own pages.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nix::errno::Errno;

use super::page_size::page_bytes;

/// How much of the stack the fork itself may use below the frame of [`share_what_is_in_use`], in
/// bytes.
const IN_USE_BELOW: usize = 4096;

/// The lowest address of the stack; 0 if forks share all of the stack.
static START: AtomicUsize = AtomicUsize::new(0);

/// The address below which forks get empty pages; 0 before the first fork.
static EMPTY_BELOW: AtomicUsize = AtomicUsize::new(0);

/// Finds the stack of this process. It must be called before the first fork, on the first thread,
/// and while the process can read files. If it fails, forks share all of the stack.
pub(crate) fn begin() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let stack = maps.lines().find(|line| line.ends_with("[stack]"));
    let start = stack.and_then(|line| line.split('-').next());
    let start = start.and_then(|start| usize::from_str_radix(start, 16).ok());
    START.store(start.unwrap_or_default(), Relaxed);
}

/// Makes forks of this process share only the used part of its stack. Where the kernel can't do
/// that, forks share all of it.
///
/// # Errors
/// When the system refuses to share a part that forks need. Then no process may be forked.
#[inline(never)]
pub(crate) fn share_what_is_in_use() -> io::Result<()> {
    let frame = 0_u8;
    let frame = std::hint::black_box(&raw const frame).addr();
    let page = page_bytes().get();
    let boundary = frame.saturating_sub(IN_USE_BELOW) / page * page;
    let (start, known) = (START.load(Relaxed), EMPTY_BELOW.load(Relaxed));
    if start == 0 || boundary <= start {
        return Ok(());
    }
    if known == 0 {
        if advise(start, boundary, libc::MADV_WIPEONFORK).is_err() {
            START.store(0, Relaxed);
            return Ok(());
        }
    } else if boundary < known {
        advise(boundary, known, libc::MADV_KEEPONFORK)?;
    } else {
        // The last fork was at a deeper point of the stack.
        return Ok(());
    }
    EMPTY_BELOW.store(boundary, Relaxed);
    Ok(())
}

fn advise(start: usize, end: usize, advice: libc::c_int) -> nix::Result<()> {
    let (address, bytes) = (std::ptr::with_exposed_provenance_mut(start), end - start);
    // SAFETY: the range is a part of the stack, and the advice is about later forks.
    Errno::result(unsafe { libc::madvise(address, bytes, advice) }).map(drop)
}
