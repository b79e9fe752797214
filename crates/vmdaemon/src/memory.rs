//! Gives memory back to the system that was needed for a while.
//!
//! The allocator keeps what is freed for what comes next. After a moment with many large requests that would be most of the
//! daemon's size for ever. So large pieces are mapped by themselves, which are unmapped when they are freed, and what is free
//! between the small ones is looked for from time to time.

use std::time::Duration;

/// From how many bytes on a piece of memory is mapped by itself. Left to itself the allocator takes up to 32 MiB from what it
/// keeps, once pieces of that size have been freed.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: libc::c_int = 1024 * 1024;

/// How many arenas there are at most: each keeps what was freed in it, and by default there are eight for each processor.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 4;

/// How often it is looked whether much memory is free.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How much more memory has to be free than after the last time, in bytes, to be given back.
const WORTH_BYTES: usize = 4 * 1024 * 1024;

/// Sets the allocator up. It is called before there is much to allocate.
pub(crate) fn set_up_allocator() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, MAPPED_BYTES),
        (libc::M_ARENA_MAX, ARENAS),
    ] {
        // SAFETY: it changes numbers of the allocator, under its lock.
        let is_set = unsafe { libc::mallopt(parameter, value) } == 1;
        if !is_set {
            tracing::debug!(parameter, "the allocator does not take a setting");
        }
    }
}

/// Gives back what is free from time to time, for ever.
pub(crate) async fn keep_giving_back() {
    let mut unused_then = unused_bytes();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looked = tokio::task::spawn_blocking(move || {
            let unused = unused_bytes();
            if unused < unused_then + WORTH_BYTES {
                return unused.min(unused_then);
            }
            give_back();
            unused_bytes()
        });
        // The daemon stops if it was cancelled.
        unused_then = looked.await.unwrap_or(unused_then);
    }
}

/// Gives back whole pages that are free.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it looks for free memory under the locks of the allocator, and nobody uses that.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// How much memory the process has that nobody uses, in bytes, about: what the kernel counts without what is allocated.
fn unused_bytes() -> usize {
    anonymous_bytes()
        .unwrap_or_default()
        .saturating_sub(allocated_bytes())
}

#[cfg(target_env = "gnu")]
fn allocated_bytes() -> usize {
    // SAFETY: it counts under the locks of the allocator.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[cfg(not(target_env = "gnu"))]
fn allocated_bytes() -> usize {
    0
}

/// How much memory the process has that is of no file, in bytes.
fn anonymous_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_between_small_pieces_is_given_back() {
        const COUNT: usize = 8192;
        const BYTES: usize = 16 * 1024;
        set_up_allocator();
        let pieces: Vec<Vec<u8>> = (0..COUNT).map(|_| vec![1; BYTES]).collect();
        let full = anonymous_bytes().unwrap();
        // The last ones stay, so that no end of the heap is free.
        let kept: Vec<Vec<u8>> = pieces.into_iter().skip(COUNT - 8).collect();
        give_back();
        let left = anonymous_bytes().unwrap();
        assert_eq!(kept.len(), 8);
        assert!(left + COUNT * BYTES / 2 < full, "{full} bytes, then {left}");
    }
}
