//! The allocator of worker processes: it counts live bytes, and ends the process past the limit.
//!
//! It is the global allocator of the whole binary, since a binary has one; in the daemon it passes
//! through. A worker has one thread, so that plain loads and stores count exactly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::ipc::ExitCause;
use crate::worker::exit;

/// The largest hole that is filled, in bytes: below the size from which the system's allocator
/// makes mappings of their own.
const LARGEST_HOLE: usize = 96 * 1024;

/// Below this size holes of every size are filled, in bytes.
const LARGE_HOLE: usize = 2048;

/// The smallest hole, and the step between sizes, in bytes.
const SMALLEST_HOLE: usize = 16;

/// The part of the room below the limit that the heap may take before garbage is collected in the
/// middle of a run: a quarter.
const COLLECT_AFTER_PART: usize = 4;

/// By how much the heap must grow at least before that, in bytes.
const COLLECT_AFTER_BYTES: usize = 1024 * 1024;

static COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Where the peak of live bytes is kept: on the post-mortem page, once there is one.
static PEAK: AtomicPtr<AtomicUsize> = AtomicPtr::new((&raw const OWN_PEAK).cast_mut());
static OWN_PEAK: AtomicUsize = AtomicUsize::new(0);
static BASE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The number of live bytes above which garbage is to be collected.
static COLLECT_ABOVE: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Passes through to the system's allocator, and counts in workers.
#[derive(Debug, Default)]
pub struct CountingAllocator;

impl CountingAllocator {
    /// For the `static` of a binary.
    pub const fn new() -> Self {
        Self
    }
}

/// Starts to count. Only processes with one thread may.
pub(crate) fn start_counting() {
    COUNTING.store(true, Relaxed);
}

/// Lets the heap grow by at most this many bytes from its current size.
pub(crate) fn limit_growth(bytes: usize) {
    let live = LIVE.load(Relaxed);
    BASE.store(live, Relaxed);
    set_limit(live.saturating_add(bytes));
}

/// Lets the heap be at most this many bytes above its size at the last [`limit_growth`].
pub(crate) fn limit_to(bytes: usize) {
    set_limit(BASE.load(Relaxed).saturating_add(bytes));
}

/// Lets the heap grow by at most this many bytes from its current size, within the limit so far.
pub(crate) fn limit_further(bytes: usize) {
    let limit = LIVE.load(Relaxed).saturating_add(bytes);
    set_limit(limit.min(LIMIT.load(Relaxed)));
}

/// Lets the heap grow without a limit.
pub(crate) fn lift_limit() {
    set_limit(usize::MAX);
}

fn set_limit(limit: usize) {
    LIMIT.store(limit, Relaxed);
    count_anew();
}

/// Whether the heap has grown so much since [`count_anew`] that garbage is to be collected: the
/// engine's own count leaves out the contents of buffers and arrays.
pub(crate) fn has_grown() -> bool {
    LIVE.load(Relaxed) > COLLECT_ABOVE.load(Relaxed)
}

/// Takes the current size of the heap as the one from which growth is counted.
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

/// The number of live bytes when the growth was limited: all above is the session's own.
pub(crate) fn base_bytes() -> usize {
    BASE.load(Relaxed)
}

/// Starts to record the peak of live bytes, in `kept`, or in this process for `None`.
pub(crate) fn start_peak(kept: Option<&'static AtomicUsize>) {
    let kept = kept.unwrap_or(&OWN_PEAK);
    kept.store(LIVE.load(Relaxed), Relaxed);
    PEAK.store(std::ptr::from_ref(kept).cast_mut(), Relaxed);
}

/// The peak of the session's own live bytes since [`start_peak`].
pub(crate) fn peak_bytes() -> usize {
    peak().load(Relaxed).saturating_sub(BASE.load(Relaxed))
}

fn peak() -> &'static AtomicUsize {
    // SAFETY: the pointer is to a static, or was made from a reference that lives as long as the
    // process.
    unsafe { &*PEAK.load(Relaxed) }
}

/// Fills the holes in the heap for good, so that later allocations stand side by side behind it.
/// After a fork each page that is written to is copied: allocations in holes all over the heap
/// would touch many pages.
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
    // A block from before the counting began may be freed after.
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
