//! The allocator of worker processes: it counts live bytes, and ends the process that passes its
//! limit.
//!
//! # What is counted
//!
//! The allocator counts the sizes that are requested, and not the overhead of the system's
//! allocator below it or the holes between blocks. `RLIMIT_DATA` bounds those (`worker/limits.rs`).
//! It is the global allocator of the whole binary, because a binary has one; in the daemon, which
//! does not call [`start_counting`], it only passes requests on. A worker has one thread, so that
//! plain loads and stores count exactly.
//!
//! # What happens, in which order
//!
//! 1. A worker starts to count before it builds an engine. Blocks from before may be freed later;
//!    the count stays at zero then and does not wrap.
//! 2. A fork inherits the counts together with the heap that they describe.
//! 3. At the end of a session's set-up, [`limit_growth`] makes the current size the base, above
//!    which all is the session's own, and sets the limit to the base and the session's memory.
//! 4. For each run, [`limit_to`] sets the run's own limit above the same base, and afterwards the
//!    session's again. [`start_peak`] makes the peak start at the current size; it is kept on the
//!    post-mortem page, so that it outlives the process.
//! 5. An allocation that would pass the limit ends the process with `_exit` before it is made:
//!    nothing unwinds, and no code of the engine sees a failed allocation. The run is rolled back.
//!
//! Counting changes neither the arguments nor the results of the system's allocator, so that the
//! contract of `GlobalAlloc` is kept by that allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::ipc::ExitCause;
use crate::worker::exit;

/// The largest hole that is filled, in bytes. It is below the size from which the system's
/// allocator makes a separate mapping for each block.
const LARGEST_HOLE: usize = 96 * 1024;

/// The size up to which holes of every size are filled, in bytes. Larger holes are filled in steps
/// of this size.
const LARGE_HOLE: usize = 2048;

/// The smallest hole, and the step between sizes, in bytes.
const SMALLEST_HOLE: usize = 16;

/// The heap may grow by this part of the room below its limit before garbage is collected in the
/// middle of a run: a quarter.
const COLLECT_AFTER_PART: usize = 4;

/// By how much the heap must have grown at least before that, in bytes.
const COLLECT_AFTER_BYTES: usize = 1024 * 1024;

/// Whether this process counts.
static COUNTING: AtomicBool = AtomicBool::new(false);
/// The number of live bytes.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Points to the peak of live bytes: on the post-mortem page during a run, otherwise [`OWN_PEAK`].
static PEAK: AtomicPtr<AtomicUsize> = AtomicPtr::new((&raw const OWN_PEAK).cast_mut());
/// The peak of live bytes in a process that has no slot on a post-mortem page.
static OWN_PEAK: AtomicUsize = AtomicUsize::new(0);
/// The number of live bytes at the last [`limit_growth`].
static BASE: AtomicUsize = AtomicUsize::new(0);
/// The number of live bytes that ends the process when it is passed.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The number of live bytes above which garbage must be collected.
static COLLECT_ABOVE: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Passes all requests on to the system's allocator, and counts in workers.
#[derive(Debug, Default)]
pub struct CountingAllocator;

impl CountingAllocator {
    /// The allocator, for the `static` of a binary.
    pub const fn new() -> Self {
        Self
    }
}

/// Starts to count. Only a process with one thread may call it.
pub(crate) fn start_counting() {
    COUNTING.store(true, Relaxed);
}

/// Makes the current size of the heap the base, and limits the heap to this many bytes above it.
pub(crate) fn limit_growth(bytes: usize) {
    let live = LIVE.load(Relaxed);
    BASE.store(live, Relaxed);
    set_limit(live.saturating_add(bytes));
}

/// Limits the heap to this many bytes above the base.
pub(crate) fn limit_to(bytes: usize) {
    set_limit(BASE.load(Relaxed).saturating_add(bytes));
}

/// Limits the heap to this many bytes above its current size, and in any case to its current limit.
pub(crate) fn limit_further(bytes: usize) {
    let limit = LIVE.load(Relaxed).saturating_add(bytes);
    set_limit(limit.min(LIMIT.load(Relaxed)));
}

/// Removes the limit.
pub(crate) fn lift_limit() {
    set_limit(usize::MAX);
}

fn set_limit(limit: usize) {
    LIMIT.store(limit, Relaxed);
    count_anew();
}

/// Whether the heap has grown so much since [`count_anew`] that garbage must be collected. The
/// engine's own count does not include the contents of buffers and arrays.
pub(crate) fn has_grown() -> bool {
    LIVE.load(Relaxed) > COLLECT_ABOVE.load(Relaxed)
}

/// Makes growth count from the current size of the heap.
pub(crate) fn count_anew() {
    let live = LIVE.load(Relaxed);
    let part = LIMIT.load(Relaxed).saturating_sub(live) / COLLECT_AFTER_PART;
    let above = live.saturating_add(part.max(COLLECT_AFTER_BYTES));
    COLLECT_ABOVE.store(above, Relaxed);
}

/// The number of live bytes.
pub(crate) fn live_bytes() -> usize {
    LIVE.load(Relaxed)
}

/// The base: the number of live bytes at the last [`limit_growth`]. What exceeds it is the
/// session's own.
pub(crate) fn base_bytes() -> usize {
    BASE.load(Relaxed)
}

/// Starts to record the peak of live bytes from the current size on, in `kept`; for `None` in a
/// static of this process.
pub(crate) fn start_peak(kept: Option<&'static AtomicUsize>) {
    let kept = kept.unwrap_or(&OWN_PEAK);
    kept.store(LIVE.load(Relaxed), Relaxed);
    PEAK.store(std::ptr::from_ref(kept).cast_mut(), Relaxed);
}

/// The peak of the session's own live bytes, those above the base, since [`start_peak`].
pub(crate) fn peak_bytes() -> usize {
    peak().load(Relaxed).saturating_sub(BASE.load(Relaxed))
}

fn peak() -> &'static AtomicUsize {
    // SAFETY: the pointer is to a static, or was made from a reference that lives as long as the
    // process.
    unsafe { &*PEAK.load(Relaxed) }
}

/// Fills the holes in the heap with blocks that are never freed, so that later allocations lie side
/// by side behind it. After a fork each page that is written to is copied, and allocations in holes
/// all over the heap would write to many pages.
pub(crate) fn take_holes() {
    // SAFETY: the block is freed at once, unused.
    let end = unsafe {
        let probe = libc::malloc(LARGEST_HOLE);
        libc::free(probe);
        probe.addr()
    };
    let mut bytes = LARGEST_HOLE;
    while bytes >= SMALLEST_HOLE {
        // SAFETY: the blocks are never used; one that lies behind the heap is freed.
        unsafe {
            loop {
                let hole = libc::malloc(bytes);
                if hole.is_null() || hole.addr() >= end {
                    libc::free(hole);
                    break;
                }
            }
        }
        bytes -= if bytes > LARGE_HOLE {
            LARGE_HOLE
        } else {
            SMALLEST_HOLE
        };
    }
}

fn grow(bytes: usize) {
    let live = LIVE.load(Relaxed).saturating_add(bytes);
    if live > LIMIT.load(Relaxed) {
        exit::now(ExitCause::Memory);
    }
    LIVE.store(live, Relaxed);
    let peak = peak();
    if live > peak.load(Relaxed) {
        peak.store(live, Relaxed);
    }
}

fn shrink(bytes: usize) {
    // A block that was allocated before counting began may be freed now.
    LIVE.store(LIVE.load(Relaxed).saturating_sub(bytes), Relaxed);
}

fn checked(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() && COUNTING.load(Relaxed) {
        exit::now(ExitCause::Memory);
    }
    pointer
}

// SAFETY: every method hands its arguments unchanged to the system's allocator and returns what
// that returns; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            grow(layout.size());
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            grow(layout.size());
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTING.load(Relaxed) {
            shrink(layout.size());
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            if new_size > layout.size() {
                grow(new_size - layout.size());
            } else {
                shrink(layout.size() - new_size);
            }
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        checked(unsafe { System.realloc(pointer, layout, new_size) })
    }
}
