//! The heap of the zygote in large pages, so that a fork does not copy a page table entry for each
//! small page.
//!
//! The objects that the engine has made before the first session are the same in all sessions. With
//! small pages, a fork copies the entry of each page and the end of a process frees each entry.
//! With large pages (where the kernel has them) both happen once for a large page. If a session
//! writes to a part of a large page, that part is copied in small pages.

/// The size of a large page, in bytes.
const LARGE_PAGE: usize = 2 * 1024 * 1024;

/// The part of the heap that consists of large pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LargePages {
    /// The address of the first large page.
    start: usize,
}

impl LargePages {
    /// Extends the heap to the start of a large page. It must be called before the engine is built.
    /// Returns `None` if the heap can't be extended; then forks take longer.
    pub(crate) fn begin() -> Option<Self> {
        let end = end_of_heap();
        let start = end.next_multiple_of(LARGE_PAGE);
        extend_heap(start - end).then_some(Self { start })
    }

    /// Extends the heap to the end of its last large page, and has the kernel make large pages of
    /// it. Where the kernel has no large pages, or has none left, the heap stays as it is.
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

/// Extends the heap by this many bytes. Returns whether the system did it.
fn extend_heap(bytes: usize) -> bool {
    let Ok(bytes) = libc::intptr_t::try_from(bytes) else {
        return false;
    };
    // SAFETY: the system's allocator reads the end of the heap before it extends it, and continues
    // from the new end.
    unsafe { libc::sbrk(bytes) }.addr() != usize::MAX
}
