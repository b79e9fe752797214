//! The heap of the zygote in large pages, so that forks need not copy its page table entry by
//! entry.
//!
//! The objects that the engine has made before the first session are the same in all sessions. With
//! small pages a fork copies the entry of each, and the end of a process frees each. With large
//! pages (where the kernel has them) both happen once for the whole page, also when a session has
//! written to parts of it, which are copied in small pages as before.

/// The size of a large page, in bytes.
const LARGE_PAGE: usize = 2 * 1024 * 1024;

/// The heap from the start of its first large page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LargePages {
    start: usize,
}

impl LargePages {
    /// Extends the heap to the start of a large page. To be called before the engine is built.
    /// Returns `None` if the heap can't be extended: then forks take longer.
    pub(crate) fn begin() -> Option<Self> {
        let end = end_of_heap();
        let start = end.next_multiple_of(LARGE_PAGE);
        extend_heap(start - end).then_some(Self { start })
    }

    /// Makes large pages of the heap; the last one is filled up first. Where the kernel has no
    /// large pages, or none left, the heap stays as it is.
    pub(crate) fn collapse(self) {
        let end = end_of_heap();
        let filled = end.saturating_sub(self.start).next_multiple_of(LARGE_PAGE);
        let missing = (self.start + filled).saturating_sub(end);
        let pages = if extend_heap(missing) {
            filled / LARGE_PAGE
        } else {
            filled.saturating_sub(LARGE_PAGE) / LARGE_PAGE
        };
        for page in 0..pages {
            let start = std::ptr::with_exposed_provenance_mut(self.start + page * LARGE_PAGE);
            // SAFETY: the range is a part of the heap, and its content does not change.
            unsafe { libc::madvise(start, LARGE_PAGE, libc::MADV_COLLAPSE) };
        }
    }
}

fn end_of_heap() -> usize {
    // SAFETY: the call changes nothing.
    unsafe { libc::sbrk(0) }.addr()
}

/// Extends the heap. Returns whether the system did it.
fn extend_heap(bytes: usize) -> bool {
    let Ok(bytes) = libc::intptr_t::try_from(bytes) else {
        return false;
    };
    // SAFETY: the allocator notices the new end when it extends the heap, and goes on from there.
    unsafe { libc::sbrk(bytes) }.addr() != usize::MAX
}
