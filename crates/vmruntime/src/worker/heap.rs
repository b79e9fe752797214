//! The heap of the zygote in large pages, so that forks need not copy its page table entry by entry.
//!
//! What the engine has made before the first session is the same in all of them. In small pages a fork notes each, and the
//! end of a process takes each back. In a large page (where the kernel has them) that is done for the whole, also once a
//! session has written to parts of it, which are copied in small pages as before.

use std::io;

/// The size of a large page, in bytes.
const LARGE_PAGE: usize = 2 * 1024 * 1024;

/// How much more than it needs the allocator asks for by default, in bytes.
const DEFAULT_TOP_PAD: libc::c_int = 128 * 1024;

/// The heap from the start of its first large page.
#[derive(Clone, Copy, Debug)]
pub(super) struct LargePages {
    start: usize,
}

impl LargePages {
    /// Has the heap go on at the start of a large page, with room for all of that. To be called before the engine is built.
    ///
    /// # Errors
    /// When the system has no memory.
    pub(super) fn begin() -> io::Result<Self> {
        // SAFETY: the calls change how the allocator asks for memory, and the end of the heap, which the allocator finds to
        // be elsewhere when it asks for more.
        unsafe {
            let end = libc::sbrk(0).addr();
            let start = end.next_multiple_of(LARGE_PAGE);
            let gap = libc::intptr_t::try_from(start - end).map_err(io::Error::other)?;
            if libc::sbrk(gap).addr() == usize::MAX {
                return Err(io::Error::last_os_error());
            }
            let room = libc::c_int::try_from(LARGE_PAGE).map_err(io::Error::other)?;
            libc::mallopt(libc::M_TOP_PAD, room);
            Ok(Self { start })
        }
    }

    /// Makes large pages of what is in the heap now, as far as it fills them. Where the kernel has none, or none left, the
    /// heap stays as it is, and forks take longer.
    pub(super) fn collapse(self) {
        // SAFETY: the ranges are whole parts of the heap, and what they hold does not change.
        unsafe {
            libc::mallopt(libc::M_TOP_PAD, DEFAULT_TOP_PAD);
            let end = libc::sbrk(0).addr();
            for start in (self.start..end).step_by(LARGE_PAGE) {
                if start + LARGE_PAGE <= end {
                    let start = std::ptr::with_exposed_provenance_mut(start);
                    libc::madvise(start, LARGE_PAGE, libc::MADV_COLLAPSE);
                }
            }
        }
    }
}
