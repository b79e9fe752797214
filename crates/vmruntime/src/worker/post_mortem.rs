//! The post-mortem page: memory that the processes of a session share with the zygote, and that
//! outlives them. It says which process is the session process, what its run has used, and why it
//! died.
//!
//! # Why a page
//!
//! A dying process can't be trusted to send a message: its heap may be used up and its stack may
//! have overflowed. So it writes a note to the page, without allocating, and the zygote reads the
//! note when it reaps the process.
//!
//! # What happens, in which order
//!
//! 1. A process becomes the session process of a generation: it clears the slot of that generation
//!    and writes its process id and then the generation ([`PostMortemPage::enter`]).
//! 2. A run begins: the process writes its CPU time and the base size of its heap ([`begin_run`]).
//!    During the run the allocator keeps the peak of the heap in the slot, and each host call is
//!    counted there.
//! 3. The process dies. It may have written a note before: first the bytes, then the length.
//! 4. The zygote, which has the death from the kernel, reads the slot whose process id is that of
//!    the dead process ([`PostMortemPage::remains_of`]) and clears the process id, because the
//!    system may use it again. The writer is dead then, so that there is no race for the note.
//!
//! After a promotion the slots of two generations are in use, until the zygote has reaped the older
//! process. So a generation uses the slot of its number modulo [`SLOTS`].
//!
//! # What it is trusted for
//!
//! A session process that is under an attacker's control can write anything to its page. So the
//! page is trusted only for texts and figures about that session. A process id from it is used only
//! for a process of that session's group (`kill_member` in `worker/zygote.rs`).
//!
//! # Mappings
//!
//! The pages of all sessions of a zygote are one file in memory, which the zygote maps in large
//! parts, because a fork passes through all mappings of a process, including those that it leaves
//! out. A session process maps only its own page and can't reach another one: the file is closed
//! there, and the filter of system calls lets no small mapping grow.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::unistd::ftruncate;

use super::memory::page_size::page_bytes;

/// How many pages one mapping of the zygote holds.
const PART: usize = 256;

/// How many slots a page has. Fewer generations than that wait to be reaped at any time.
const SLOTS: u32 = 8;

/// The longest note, in bytes.
const NOTE_BYTES: usize = 440;

/// What one generation of a session process has written.
#[repr(C)]
struct Slot {
    generation: AtomicU32,
    pid: AtomicU32,
    /// The CPU time of the process when its newest run began, in microseconds; zero before the
    /// first.
    cpu_before_us: AtomicU64,
    /// The size of the heap when the session's set-up was done, in bytes. What exceeds it is the
    /// session's own.
    base_bytes: AtomicUsize,
    /// The highest size of the heap in the newest run, in bytes.
    peak_bytes: AtomicUsize,
    /// The number of calls to host modules in the newest run.
    host_calls: AtomicU64,
    /// Whether a run is under way.
    is_running: AtomicBool,
    note_length: AtomicU16,
    note: [AtomicU8; NOTE_BYTES],
}

/// The memory that the processes of a session share with the zygote, and that outlives them.
#[repr(C)]
pub(super) struct PostMortemPage {
    slots: [Slot; SLOTS as usize],
}

// No system has smaller pages.
const _: () = assert!(size_of::<PostMortemPage>() <= 4096);

/// The slot of this process; null in a process that is no session process.
static OWN_SLOT: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());

/// What a dead session process had written to its page.
#[derive(Debug)]
pub(crate) struct Remains {
    /// The generation of the process.
    pub(crate) generation: u32,
    /// The note about its death; `None` if it wrote none.
    pub(crate) note: Option<String>,
    /// What its newest run used; `None` if it had begun none.
    pub(crate) run: Option<RunRemains>,
}

/// What a run used, which may have been cut short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunRemains {
    /// The CPU time of the process before the run, in microseconds.
    pub(crate) cpu_before_us: u64,
    /// The highest size of the session's own heap, in bytes.
    pub(crate) peak_mem_bytes: u64,
    /// The number of calls to host modules.
    pub(crate) host_calls: u64,
}

/// The pages of all sessions of a zygote.
#[derive(Debug)]
pub(super) struct PostMortemPages {
    file: OwnedFd,
    page_bytes: NonZeroUsize,
    parts: Vec<NonNull<c_void>>,
    /// The numbers of the pages that no session uses.
    free: Vec<usize>,
}

impl PostMortemPages {
    /// No pages yet.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            file: memfd_create(c"sessions", MFdFlags::MFD_CLOEXEC)?,
            page_bytes: page_bytes(),
            parts: Vec::new(),
            free: Vec::new(),
        })
    }

    /// Takes a page for a session and clears it. Returns its number.
    pub(super) fn take(&mut self) -> io::Result<usize> {
        if self.free.is_empty() {
            self.grow()?;
        }
        let number = self.free.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        let page: *const PostMortemPage = self.get(number);
        // SAFETY: the page consists of atomics, for which zeros are valid, and no process uses it.
        unsafe { page.cast_mut().write_bytes(0, 1) };
        Ok(number)
    }

    /// Takes back the page of a session all of whose processes were reaped.
    pub(super) fn give_back(&mut self, number: usize) {
        self.free.push(number);
    }

    /// The page of that number, in the zygote's mapping.
    pub(super) fn get(&self, number: usize) -> &PostMortemPage {
        let (part, offset) = (number / PART, number % PART * self.page_bytes.get());
        // SAFETY: each part has `PART` pages and is mapped as long as this process lives. A page
        // holds a `PostMortemPage`, which consists of atomics, for which zeros are valid and
        // changes by other processes allowed.
        unsafe { self.parts[part].byte_add(offset).cast().as_ref() }
    }

    /// Maps the page in its session process. The zygote's own mappings are not inherited by its
    /// forks.
    pub(super) fn map(&self, number: usize) -> io::Result<&'static PostMortemPage> {
        let page = self.mapped(number, self.page_bytes)?;
        // SAFETY: as above; this process never unmaps it.
        Ok(unsafe { page.cast().as_ref() })
    }

    /// Makes the file longer by [`PART`] pages, and maps them.
    fn grow(&mut self) -> io::Result<()> {
        let first = self.parts.len() * PART;
        let bytes = self
            .page_bytes
            .checked_mul(NonZeroUsize::new(PART).ok_or(io::ErrorKind::OutOfMemory)?)
            .ok_or(io::ErrorKind::OutOfMemory)?;
        let end = (first + PART) * self.page_bytes.get();
        ftruncate(&self.file, end.try_into().map_err(io::Error::other)?)?;
        let part = self.mapped(first, bytes)?;
        // SAFETY: the range is exactly the new mapping, to which no other pointer exists; the
        // advice is about what forks inherit.
        unsafe {
            if let Err(error) = madvise(part, bytes.get(), MmapAdvise::MADV_DONTFORK) {
                munmap(part, bytes.get())?;
                return Err(error.into());
            }
        }
        self.parts.push(part);
        self.free.extend((first..first + PART).rev());
        Ok(())
    }

    /// Maps `bytes` of the file, from the page `first` on.
    fn mapped(&self, first: usize, bytes: NonZeroUsize) -> io::Result<NonNull<c_void>> {
        let offset = first * self.page_bytes.get();
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing of this
        // process.
        let mapped = unsafe {
            mmap(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &self.file,
                offset.try_into().map_err(io::Error::other)?,
            )?
        };
        Ok(mapped)
    }
}

impl PostMortemPage {
    /// Records that this process is the session process of `generation`.
    pub(super) fn enter(&'static self, generation: u32, pid: u32) {
        let slot = self.slot(generation);
        slot.note_length.store(0, Ordering::Relaxed);
        slot.is_running.store(false, Ordering::Relaxed);
        slot.cpu_before_us.store(0, Ordering::Relaxed);
        slot.pid.store(pid, Ordering::Relaxed);
        slot.generation.store(generation, Ordering::Release);
        OWN_SLOT.store(std::ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
    }

    /// The process id that the session process of a generation has written; `None` if there is
    /// none.
    pub(super) fn pid_of(&self, generation: u32) -> Option<u32> {
        let slot = self.slot(generation);
        let pid = slot.pid.load(Ordering::Relaxed);
        (slot.generation.load(Ordering::Acquire) == generation && pid != 0).then_some(pid)
    }

    /// Whether the process of that id has written that it is a session process with a run under
    /// way.
    pub(super) fn is_running(&self, pid: u32) -> bool {
        let mut slots = self.slots.iter();
        let own = slots.find(|slot| slot.pid.load(Ordering::Relaxed) == pid);
        own.is_some_and(|slot| slot.is_running.load(Ordering::Relaxed))
    }

    /// What a dead process had written to the page; `None` if it was no session process. It returns
    /// this once.
    pub(super) fn remains_of(&self, pid: u32) -> Option<Remains> {
        let slot = self
            .slots
            .iter()
            .find(|slot| slot.pid.load(Ordering::Relaxed) == pid)?;
        let length = usize::from(slot.note_length.load(Ordering::Acquire)).min(NOTE_BYTES);
        let note: Vec<u8> = slot.note[..length]
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        // The system may use the process id again, so that it must not be found a second time.
        slot.pid.store(0, Ordering::Relaxed);
        let note = (!note.is_empty()).then(|| String::from_utf8_lossy(&note).into_owned());
        let cpu_before_us = slot.cpu_before_us.load(Ordering::Relaxed);
        let base = slot.base_bytes.load(Ordering::Relaxed);
        let peak = slot.peak_bytes.load(Ordering::Relaxed);
        Some(Remains {
            generation: slot.generation.load(Ordering::Acquire),
            note,
            run: (cpu_before_us > 0).then(|| RunRemains {
                cpu_before_us,
                peak_mem_bytes: peak.saturating_sub(base) as u64,
                host_calls: slot.host_calls.load(Ordering::Relaxed),
            }),
        })
    }

    fn slot(&self, generation: u32) -> &Slot {
        &self.slots[(generation % SLOTS) as usize]
    }
}

/// Records that a run begins: the CPU time so far in microseconds, and the base size of the heap in
/// bytes. Returns the place in which the peak of the heap must be kept; `None` in a process without
/// a slot.
pub(crate) fn begin_run(cpu_us: u64, base_bytes: usize) -> Option<&'static AtomicUsize> {
    let slot = own_slot()?;
    slot.base_bytes.store(base_bytes, Ordering::Relaxed);
    slot.host_calls.store(0, Ordering::Relaxed);
    slot.cpu_before_us.store(cpu_us.max(1), Ordering::Relaxed);
    slot.is_running.store(true, Ordering::Relaxed);
    Some(&slot.peak_bytes)
}

/// Records that the script of the run has ended by itself.
pub(crate) fn end_run() {
    if let Some(slot) = own_slot() {
        slot.is_running.store(false, Ordering::Relaxed);
    }
}

/// Counts a call to a host module.
pub(crate) fn count_host_call() {
    if let Some(slot) = own_slot() {
        slot.host_calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number of calls to host modules since the run began; 0 in a process without a slot.
pub(crate) fn host_calls() -> u64 {
    own_slot().map_or(0, |slot| slot.host_calls.load(Ordering::Relaxed))
}

/// Gives up the slot, because this process is no session process any more.
pub(crate) fn leave() {
    OWN_SLOT.store(std::ptr::null_mut(), Ordering::Relaxed);
}

fn own_slot() -> Option<&'static Slot> {
    // SAFETY: the pointer is null or was set by `enter` to a slot of a page that this process never
    // unmaps.
    unsafe { OWN_SLOT.load(Ordering::Relaxed).as_ref() }
}

/// Writes why this process is about to die, cut to [`NOTE_BYTES`]. It does not allocate and may be
/// called from a signal handler.
pub(crate) fn note(text: &[u8]) {
    let Some(slot) = own_slot() else { return };
    let text = &text[..text.len().min(NOTE_BYTES)];
    for (to, from) in slot.note.iter().zip(text) {
        to.store(*from, Ordering::Relaxed);
    }
    slot.note_length.store(
        u16::try_from(text.len()).unwrap_or(u16::MAX),
        Ordering::Release,
    );
}
