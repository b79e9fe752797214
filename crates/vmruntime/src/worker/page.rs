//! The page that the processes of a session share with the zygote: who is the session process, and why it died.
//!
//! A dying process can't be trusted to send a message: its heap may be used up and its stack overflown. So it notes the
//! cause here, without allocating, and the zygote reads the note when it reaps. For a moment two generations hold the
//! page, so each has a slot of its own. What stands here is believed only about the session that the page belongs to.

use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU16, AtomicU32, Ordering};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// The size of the mapping: one page, in bytes.
const PAGE_BYTES: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// How many generations have a slot; more never wait to be reaped at once.
const SLOTS: u32 = 8;

/// The longest note, in bytes.
const NOTE_BYTES: usize = 480;

#[repr(C)]
struct Slot {
    generation: AtomicU32,
    pid: AtomicU32,
    note_length: AtomicU16,
    note: [AtomicU8; NOTE_BYTES],
}

#[repr(C)]
struct Page {
    slots: [Slot; SLOTS as usize],
}

const _: () = assert!(size_of::<Page>() <= PAGE_BYTES.get());

/// The slot that notes of this process go to.
static OWN_SLOT: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());

/// A mapping that forks share.
#[derive(Debug)]
pub(crate) struct SharedPage {
    page: NonNull<Page>,
}

impl SharedPage {
    /// Makes a page of zeros.
    pub(crate) fn new() -> nix::Result<Self> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let page = unsafe {
            mmap_anonymous(
                None,
                PAGE_BYTES,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )?
        };
        Ok(Self { page: page.cast() })
    }

    /// Keeps later forks of this process from sharing the page: it is another session's.
    pub(crate) fn keep_from_later_forks(&self) -> nix::Result<()> {
        // SAFETY: the range is exactly the mapping that `new` made; the advice changes what forks inherit only.
        unsafe {
            madvise(
                self.page.cast(),
                PAGE_BYTES.get(),
                MmapAdvise::MADV_DONTFORK,
            )
        }
    }

    /// Makes this process the session process of `generation`.
    pub(crate) fn enter(&self, generation: u32, pid: u32) {
        let slot = self.slot(generation);
        slot.note_length.store(0, Ordering::Relaxed);
        slot.pid.store(pid, Ordering::Relaxed);
        slot.generation.store(generation, Ordering::Release);
        OWN_SLOT.store(std::ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
    }

    /// The process that says that it is the session process of a generation.
    pub(crate) fn pid_of(&self, generation: u32) -> Option<u32> {
        let slot = self.slot(generation);
        let pid = slot.pid.load(Ordering::Relaxed);
        (slot.generation.load(Ordering::Acquire) == generation && pid != 0).then_some(pid)
    }

    /// The generation that a process was the session process of, with its note.
    pub(crate) fn generation_of(&self, pid: u32) -> Option<(u32, Option<String>)> {
        let slot = self
            .page()
            .slots
            .iter()
            .find(|slot| slot.pid.load(Ordering::Relaxed) == pid)?;
        let length = usize::from(slot.note_length.load(Ordering::Acquire)).min(NOTE_BYTES);
        let note: Vec<u8> = slot.note[..length]
            .iter()
            .map(|byte| byte.load(Ordering::Relaxed))
            .collect();
        // A process id may come again: each is asked for once.
        slot.pid.store(0, Ordering::Relaxed);
        let note = (!note.is_empty()).then(|| String::from_utf8_lossy(&note).into_owned());
        Some((slot.generation.load(Ordering::Acquire), note))
    }

    fn slot(&self, generation: u32) -> &Slot {
        &self.page().slots[(generation % SLOTS) as usize]
    }

    fn page(&self) -> &Page {
        // SAFETY: the mapping is as long as a `Page`, aligned to a page, lives as long as `self`, and consists of
        // atomics, for which zeros are valid and changes by other processes allowed.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives `self`: only processes that never drop their
        // page set `OWN_SLOT`.
        let unmapped = unsafe { munmap(self.page.cast(), PAGE_BYTES.get()) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Notes why this process is about to die. Allocates nothing and may be called from a signal handler.
pub(crate) fn note(text: &[u8]) {
    // SAFETY: the pointer is null or was set by `enter` to a slot of a page that this process never unmaps.
    let Some(slot) = (unsafe { OWN_SLOT.load(Ordering::Relaxed).as_ref() }) else {
        return;
    };
    let text = &text[..text.len().min(NOTE_BYTES)];
    for (to, from) in slot.note.iter().zip(text) {
        to.store(*from, Ordering::Relaxed);
    }
    slot.note_length.store(
        u16::try_from(text.len()).unwrap_or(u16::MAX),
        Ordering::Release,
    );
}
