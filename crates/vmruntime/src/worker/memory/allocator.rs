//! The allocator of worker processes: it counts what is live, and ends the process past the limit.
//!
//! It is the global allocator of the whole binary, since a binary has one; in the daemon it passes through. A worker has
//! one thread, so that plain loads and stores count exactly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::ipc::ExitCause;
use crate::worker::exit;

/// The largest hole that is looked for, in bytes: below what the system's allocator maps by itself.
const LARGEST_HOLE: usize = 96 * 1024;

/// Below this holes of every size are looked for, in bytes.
const LARGE_HOLE: usize = 2048;

/// The smallest hole, and the step between sizes, in bytes.
const SMALLEST_HOLE: usize = 16;

/// Which part of what is left below the limit the heap may take before garbage is collected in the middle of a run: a quarter.
const COLLECT_AFTER_PART: usize = 4;

/// By how much it must grow for that at least, in bytes.
const COLLECT_AFTER_BYTES: usize = 1024 * 1024;

static COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Where the highest number of live bytes is kept: a page that outlives the process, once there is one.
static PEAK: AtomicPtr<AtomicUsize> = AtomicPtr::new((&raw const OWN_PEAK).cast_mut());
static OWN_PEAK: AtomicUsize = AtomicUsize::new(0);
static BASE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Above how many live bytes garbage is to be collected.
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

/// Lets the heap grow by at most this many bytes from what it is now.
pub(crate) fn limit_growth(bytes: usize) {
    let live = LIVE.load(Relaxed);
    BASE.store(live, Relaxed);
    set_limit(live.saturating_add(bytes));
}

/// Lets the heap be at most this many bytes above what it was at [`limit_growth`].
pub(crate) fn limit_to(bytes: usize) {
    set_limit(BASE.load(Relaxed).saturating_add(bytes));
}

/// Lets the heap grow by at most this many bytes from what it is now, and to no more than it may already.
pub(crate) fn limit_further(bytes: usize) {
    let limit = LIVE.load(Relaxed).saturating_add(bytes);
    set_limit(limit.min(LIMIT.load(Relaxed)));
}

/// Lets the heap grow again as it likes.
pub(crate) fn lift_limit() {
    set_limit(usize::MAX);
}

fn set_limit(limit: usize) {
    LIMIT.store(limit, Relaxed);
    count_anew();
}

/// Whether the heap has grown so much since [`count_anew`] that garbage is to be collected: what an engine counts for itself
/// leaves out the contents of buffers and arrays.
pub(crate) fn has_grown() -> bool {
    LIVE.load(Relaxed) > COLLECT_ABOVE.load(Relaxed)
}

/// Notes that what is live now was not worth it, or is what a collection left.
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

/// What was live when the growth was limited: all above is the session's own.
pub(crate) fn base_bytes() -> usize {
    BASE.load(Relaxed)
}

/// Starts to watch for the highest number of live bytes, which is kept there.
pub(crate) fn start_peak(kept: Option<&'static AtomicUsize>) {
    let kept = kept.unwrap_or(&OWN_PEAK);
    kept.store(LIVE.load(Relaxed), Relaxed);
    PEAK.store(std::ptr::from_ref(kept).cast_mut(), Relaxed);
}

/// The highest number of live bytes since [`start_peak`], above what was live when the limit was set: the session's own.
pub(crate) fn peak_bytes() -> usize {
    peak().load(Relaxed).saturating_sub(BASE.load(Relaxed))
}

fn peak() -> &'static AtomicUsize {
    // SAFETY: the pointer is to a static, or was set from a reference that lives as long as the process.
    unsafe { &*PEAK.load(Relaxed) }
}

/// Takes the holes that are left in the heap, for good, so that later allocations stand side by side behind it. After a
/// fork each page that is written to is copied: allocations in holes all over the heap would make that many.
pub(crate) fn take_holes() {
    // SAFETY: the pointer is given back at once, unused.
    let end = unsafe {
        let probe = libc::malloc(LARGEST_HOLE);
        libc::free(probe);
        probe.addr()
    };
    let mut bytes = LARGEST_HOLE;
    while bytes >= SMALLEST_HOLE {
        // SAFETY: nobody uses these; one that lies behind the heap is given back.
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
    // What was allocated before counting began may be freed after.
    LIVE.store(LIVE.load(Relaxed).saturating_sub(bytes), Relaxed);
}

fn checked(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() && COUNTING.load(Relaxed) {
        exit::now(ExitCause::Memory);
    }
    pointer
}

// SAFETY: every method hands its arguments unchanged to the system's allocator and returns what that returns; counting
// neither allocates nor unwinds.
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
