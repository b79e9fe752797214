//! The program's own read-only data, mapped so that forks need not copy its page table.
//!
//! A position-independent program has pages that the dynamic linker writes once, with the addresses
//! of functions and constants, and then makes read-only; with an engine there are some hundred of
//! them. For the kernel they are private memory, like the heap: each fork copies their entries in
//! the page table, and each exit frees them, which is a large part of the cost of a checkpoint.
//! Unmodified pages of a file are not copied by a fork; they are mapped again when they are read.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use super::page_size::page_bytes;

/// A range of pages: its start address and its size in bytes.
struct Range {
    start: usize,
    bytes: NonZeroUsize,
}

/// Moves the program's read-only data into a sealed file in memory that is mapped at the same
/// address. It must be called once, before the first fork.
///
/// # Errors
/// When the system refuses; then nothing has changed.
pub(crate) fn share_read_only_data() -> io::Result<()> {
    let Some(range) = relocated_read_only() else {
        return Ok(());
    };
    let fd = memfd_create(
        c"read-only data",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?;
    let mut file = std::fs::File::from(fd);
    // SAFETY: the range is mapped and readable as long as the program runs, and is never written
    // to.
    let data = unsafe { std::slice::from_raw_parts(range.start as *const u8, range.bytes.get()) };
    file.write_all(data)?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals | SealFlag::F_SEAL_SEAL))?;
    // SAFETY: the new pages have the contents and the protection of the old ones, which they
    // replace at once, and there is no other thread. They are private: a process that made them
    // writable would write to a copy of its own.
    unsafe {
        mmap(
            NonZeroUsize::new(range.start),
            range.bytes,
            ProtFlags::PROT_READ,
            MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED,
            file.as_fd(),
            0,
        )?;
    }
    Ok(())
}

/// The pages of the program itself that are read-only after its relocation (`PT_GNU_RELRO`); `None`
/// if it has none.
fn relocated_read_only() -> Option<Range> {
    let mut found: Option<(u64, u64)> = None;
    // SAFETY: the callback is called while this function runs, with the pointer that is given here.
    unsafe {
        libc::dl_iterate_phdr(Some(find), (&raw mut found).cast());
    }
    let (start, bytes) = found?;
    let (start, bytes) = (usize::try_from(start).ok()?, usize::try_from(bytes).ok()?);
    let page = page_bytes().get();
    // A page that is only in part read-only stays as it is.
    let end = start.checked_add(bytes)? / page * page;
    let start = start.next_multiple_of(page);
    let bytes = NonZeroUsize::new(end.checked_sub(start)?)?;
    Some(Range { start, bytes })
}

/// A callback of `dl_iterate_phdr`: writes the range of the first object, which is the program, to
/// `data`, and ends the iteration.
///
/// # Safety
/// `data` points to an `Option<(u64, u64)>` that lives until this returns.
unsafe extern "C" fn find(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the linker passes a valid description, and the caller promises a valid `data`.
    unsafe {
        let headers = std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum.into());
        *data.cast::<Option<(u64, u64)>>() = headers
            .iter()
            .find(|header| header.p_type == libc::PT_GNU_RELRO)
            .map(|header| ((*info).dlpi_addr + header.p_vaddr, header.p_memsz));
    }
    1
}
