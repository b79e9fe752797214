//! The size of a page of memory.

use std::num::NonZeroUsize;

/// The size of a page of memory, in bytes.
///
/// # Panics
/// When the system does not say how large its pages are.
pub(crate) fn page_bytes() -> NonZeroUsize {
    // SAFETY: the call takes a number alone.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let bytes = usize::try_from(bytes).ok().and_then(NonZeroUsize::new);
    bytes.expect("a system says how large its pages are")
}
