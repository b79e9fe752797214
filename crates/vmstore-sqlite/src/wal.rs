//! The WAL: moving what is committed from it into the database file, off the path of the commits,
//! and making its file longer ahead of them.
//!
//! # Checkpoints
//!
//! SQLite would checkpoint the WAL in the commit that makes it long, and every answer in the queue
//! would wait. So a thread with a connection of its own does it (mode `PASSIVE`) while commits go
//! on. Once all of the WAL is in the database file, the next commit starts the WAL anew from its
//! beginning. If commits are quicker than the disk for long, that thread never reaches the end of
//! the WAL; at 128 MiB the thread that writes does the rest itself (mode `RESTART`), and the
//! commits wait.
//!
//! # Growth
//!
//! A commit that makes the WAL's file longer costs the file system a commit of its own, about half
//! as much again. So the file is made longer ahead of the commits, a step at a time, and is not cut
//! when the WAL starts anew. What is behind the last frame means nothing to SQLite: each frame has
//! checksums and the salt of its WAL.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::files::length_of;
use crate::open::BUSY_TIMEOUT;

/// From how many bytes on the WAL is checkpointed.
const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// How long the WAL's file may stay, in bytes: what is committed during a checkpoint fits in. A
/// longer file is cut to that when the WAL starts anew.
pub(crate) const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// By how much the file is made longer at once, in bytes; this is done when half of that is left.
const STEP_BYTES: u64 = 512 * 1024;

/// From how many bytes on commits wait for the rest of a checkpoint: they are quicker than the disk
/// then, and the thread never reaches the end of the WAL.
const TOO_LONG_BYTES: u64 = 128 * 1024 * 1024;

/// How large that rest may be, in bytes. More is left while a long read goes on, and right after
/// it.
const SHORT_REST_BYTES: u64 = LONG_BYTES;

/// The shortest time between two attempts: a long read keeps the WAL from being checkpointed.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The handle of the thread.
pub(crate) struct Checkpointer {
    file: WalFile,
    /// The time of the next attempt, at the earliest.
    not_before: Instant,
    /// Has the thread checkpoint; `None` while this is dropped.
    wake: Option<SyncSender<()>>,
    /// `None` while this is dropped.
    thread: Option<JoinHandle<()>>,
    /// How many frames the thread's last checkpoint has left in the WAL.
    left: Arc<AtomicU64>,
}

impl Checkpointer {
    /// Starts the thread, with a connection of its own and the path of the WAL.
    pub(crate) fn start(connection: Connection, path: PathBuf) -> Self {
        let (wake, woken) = sync_channel(1);
        let left = Arc::<AtomicU64>::default();
        let left_by_thread = Arc::clone(&left);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || serve(&connection, &woken, &left_by_thread))
            .expect("a thread can be started at start-up");
        Self {
            file: WalFile { path, file: None },
            not_before: Instant::now(),
            wake: Some(wake),
            thread: Some(thread),
            left,
        }
    }

    /// Makes the WAL's file as long as the WAL gets before it is checkpointed, so that no commit
    /// makes it longer. A transaction of `writer` keeps other connections from writing to it
    /// meanwhile.
    pub(crate) fn begin(&mut self, writer: &Connection) {
        let begun = writer.execute_batch("BEGIN IMMEDIATE");
        let made = begun
            .map_err(io::Error::other)
            .and_then(|()| self.file.make_long(LONG_BYTES + STEP_BYTES));
        let made = made.and(writer.execute_batch("ROLLBACK").map_err(io::Error::other));
        log_failure(made);
    }

    /// Makes room for a transaction that has begun, which keeps other connections from writing to
    /// the WAL.
    pub(crate) fn before_writes(&mut self) {
        log_failure(self.file.make_room(wal_bytes()));
    }

    /// Has the WAL checkpointed if it is long. If it is too long, `writer` does the rest at once.
    /// [`count_frames`] must have been called for `writer`.
    pub(crate) fn after_commit(&mut self, writer: &Connection) {
        let bytes = wal_bytes();
        let now = Instant::now();
        if bytes <= LONG_BYTES || now < self.not_before {
            return;
        }
        self.not_before = now + AGAIN_AFTER;
        let rest = self.left.load(Ordering::Relaxed) * FRAME_BYTES;
        if bytes >= TOO_LONG_BYTES && rest <= SHORT_REST_BYTES {
            // It waits for no reader.
            let waits = writer.busy_timeout(Duration::ZERO);
            checkpoint(writer, "RESTART");
            if let Err(error) = waits.and_then(|()| writer.busy_timeout(BUSY_TIMEOUT)) {
                tracing::warn!(%error, "the timeout for locks of the database could not be set");
            }
        } else if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            checkpoint(writer, "PASSIVE");
        }
    }
}

thread_local! {
    /// How many frames the WAL has after the last commit of this thread.
    static FRAMES: Cell<u64> = const { Cell::new(0) };
}

/// The length of a frame for a page of 4 KiB, SQLite's own choice for a new database, in bytes.
/// With other pages the WAL is checkpointed earlier or later.
const FRAME_BYTES: u64 = 24 + 4096;

/// How long the WAL is after the last commit of this thread, in bytes.
fn wal_bytes() -> u64 {
    FRAMES.get() * FRAME_BYTES
}

/// Counts the frames of the WAL at each commit of a connection, for the thread that commits.
pub(crate) fn count_frames(connection: &Connection) {
    connection.wal_hook(Some(|_, frames| {
        FRAMES.set(u64::from(frames.unsigned_abs()));
        Ok(())
    }));
}

/// The file of the WAL.
struct WalFile {
    path: PathBuf,
    /// `None` until it is opened: the first write makes it.
    file: Option<File>,
}

impl WalFile {
    /// Makes the file longer if less than half a step of it is left behind the `used` bytes.
    fn make_room(&mut self, used: u64) -> io::Result<()> {
        let wanted = (used + STEP_BYTES / 2).min(KEPT_BYTES);
        let file = self.file()?;
        let length = length_of(file)?;
        if length < wanted {
            fill(file, length, length + STEP_BYTES)?;
        }
        Ok(())
    }

    /// Makes the file at least `bytes` long, durably.
    fn make_long(&mut self, bytes: u64) -> io::Result<()> {
        let file = self.file()?;
        let length = length_of(file)?;
        let filled = fill(file, length, bytes).and_then(|()| file.sync_data());
        if filled.is_err() {
            // The room on a disk that is nearly full is needed for writes.
            file.set_len(length)?;
        }
        filled
    }

    fn file(&mut self) -> io::Result<&File> {
        Ok(match &mut self.file {
            Some(file) => file,
            none => none.insert(File::options().write(true).open(&self.path)?),
        })
    }
}

/// Writes zeros from the end of a file on, behind which no frame can be, until it is `wanted` bytes
/// long.
fn fill(file: &File, end: u64, wanted: u64) -> io::Result<()> {
    let missing = usize::try_from(wanted.saturating_sub(end)).map_err(io::Error::other)?;
    file.write_all_at(&vec![0; missing], end)
}

/// Logs that the file could not be made longer ahead. SQLite makes it longer itself, or says why it
/// can't.
fn log_failure(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "the WAL of the database could not be made longer ahead");
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that checkpoints the WAL panicked");
        }
    }
}

/// Checkpoints whenever it is woken.
fn serve(connection: &Connection, woken: &Receiver<()>, left: &AtomicU64) {
    while woken.recv().is_ok() {
        left.store(checkpoint(connection, "PASSIVE"), Ordering::Relaxed);
    }
}

/// Moves frames of the WAL into the database file, and returns how many are left: 0 if that is not
/// known. What stays in the WAL is as durable.
fn checkpoint(connection: &Connection, mode: &str) -> u64 {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    // The columns: whether a lock was in the way, the frames of the WAL, and how many of them were
    // moved.
    let left = connection.query_row(&sql, [], |row| {
        let (frames, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(frames - moved)
    });
    match left {
        Ok(left) => u64::try_from(left).unwrap_or(0),
        Err(error) => {
            tracing::warn!(%error, "the WAL of the database could not be checkpointed");
            0
        }
    }
}
