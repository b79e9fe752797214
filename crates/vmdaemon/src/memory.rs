//! Returns free heap memory of the daemon to the system.
//!
//! The allocator keeps freed memory for later allocations. After a burst of large requests that
//! memory would stay most of the daemon's size for ever. Large blocks are therefore mapped
//! individually and unmapped when they are freed, and the free pages between small blocks are
//! trimmed periodically.

use std::time::Duration;

/// The size from which a block is mapped individually, in bytes. Without this setting the allocator
/// raises the threshold up to 32 MiB once blocks of such a size have been freed.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: libc::c_int = 1024 * 1024;

/// The maximum number of arenas. Each arena keeps its own freed memory, and the default is eight
/// for each processor.
#[cfg(target_env = "gnu")]
const MAX_ARENAS: libc::c_int = 4;

/// The interval between two measurements of the unused memory.
const CHECK_INTERVAL: Duration = Duration::from_secs(3);

/// The growth of the unused memory since the last trim, in bytes, from which a trim is worth its
/// cost.
const TRIM_THRESHOLD_BYTES: usize = 4 * 1024 * 1024;

/// Configures the allocator. It must be called before the daemon allocates much.
pub(crate) fn set_up_allocator() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES),
        (libc::M_ARENA_MAX, MAX_ARENAS),
    ] {
        // SAFETY: `mallopt` only changes parameters of the allocator, under its lock.
        let is_set = unsafe { libc::mallopt(parameter, value) } == 1;
        if !is_set {
            tracing::debug!(parameter, "the allocator does not take a setting");
        }
    }
}

/// Trims the heap periodically, for ever.
pub(crate) async fn trim_periodically() {
    let mut unused_before = unused_bytes();
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let measured = tokio::task::spawn_blocking(move || {
            let unused = unused_bytes();
            if unused < unused_before + TRIM_THRESHOLD_BYTES {
                return unused.min(unused_before);
            }
            trim();
            unused_bytes()
        });
        // The task is cancelled only while the daemon shuts down.
        unused_before = measured.await.unwrap_or(unused_before);
    }
}

/// Returns the free pages of the heap to the system.
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes the locks of the allocator and releases only pages that hold no
    // live block.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The process's unused heap memory in bytes, approximately: the resident anonymous memory minus
/// the allocated memory.
fn unused_bytes() -> usize {
    anonymous_bytes()
        .unwrap_or_default()
        .saturating_sub(allocated_bytes())
}

#[cfg(target_env = "gnu")]
fn allocated_bytes() -> usize {
    // SAFETY: `mallinfo2` only reads counters, under the locks of the allocator.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[cfg(not(target_env = "gnu"))]
fn allocated_bytes() -> usize {
    0
}

/// The process's resident anonymous memory (`RssAnon`), in bytes; `None` if the kernel does not
/// report it.
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
    fn memory_freed_between_small_blocks_is_returned() {
        const COUNT: usize = 8192;
        const BYTES: usize = 16 * 1024;
        set_up_allocator();
        let blocks: Vec<Vec<u8>> = (0..COUNT).map(|_| vec![1; BYTES]).collect();
        let full = anonymous_bytes().unwrap();
        // The last blocks stay allocated, so that the free memory is not at the end of a heap.
        let kept: Vec<Vec<u8>> = blocks.into_iter().skip(COUNT - 8).collect();
        trim();
        let left = anonymous_bytes().unwrap();
        assert_eq!(kept.len(), 8);
        assert!(left + COUNT * BYTES / 2 < full, "{full} bytes, then {left}");
    }
}
