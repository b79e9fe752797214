//! The WAL: checkpoints, which move its frames into the database file off the path of the commits,
//! and the growth of its file ahead of them.
//!
//! # Checkpoints
//!
//! By default SQLite checkpoints the WAL in the commit that makes it long, and all queued writes
//! wait for that. Here a thread with a connection of its own does it (mode `PASSIVE`) while commits
//! go on. Once the whole WAL is in the database file, the next commit writes at the beginning of
//! the WAL again. If commits are faster than the disk for long, that thread never reaches the end
//! of the WAL; at 128 MiB the thread that writes does the rest of the checkpoint itself (mode
//! `RESTART`), and the commits wait.
//!
//! # Growth
//!
//! A commit that makes the WAL's file longer takes about half as long again, because the file
//! system commits the new length. So the file is made longer ahead of the commits, a step at a
//! time, and is not cut when the WAL starts at its beginning again. SQLite ignores what is behind
//! the last frame: each frame has checksums and the salt of its WAL.

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

use crate::connection::BUSY_TIMEOUT;
use crate::files::length_of;

/// The length from which the WAL is checkpointed, in bytes.
const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// The length to which a longer file is cut when the WAL starts at its beginning again, in bytes.
/// The commits during a checkpoint fit into it.
pub(crate) const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// By how much the file is made longer at once, in bytes. This is done when less than half of it is
/// unused.
const STEP_BYTES: u64 = 512 * 1024;

/// The length from which commits wait for the rest of a checkpoint, in bytes: they are then faster
/// than the disk, and the thread never reaches the end of the WAL.
const TOO_LONG_BYTES: u64 = 128 * 1024 * 1024;

/// The largest rest that the thread which writes checkpoints itself, in bytes. A long read leaves
/// more than that.
const SHORT_REST_BYTES: u64 = LONG_BYTES;

/// The shortest time between two checkpoints. A long read can make a checkpoint move nothing.
const SHORTEST_PERIOD: Duration = Duration::from_millis(200);

/// The handle of the thread.
pub(crate) struct Checkpointer {
    file: WalFile,
    /// The earliest time of the next checkpoint.
    not_before: Instant,
    /// Wakes the thread; `None` while this is dropped.
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
    /// makes the file longer. A transaction of `writer` keeps other connections from writing to the
    /// WAL meanwhile.
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

    /// Wakes the thread if the WAL is long. If the WAL is too long, `writer` does the rest of the
    /// checkpoint at once. [`count_frames`] must have been called for `writer`.
    pub(crate) fn after_commit(&mut self, writer: &Connection) {
        let bytes = wal_bytes();
        let now = Instant::now();
        if bytes <= LONG_BYTES || now < self.not_before {
            return;
        }
        self.not_before = now + SHORTEST_PERIOD;
        let rest = self.left.load(Ordering::Relaxed) * FRAME_BYTES;
        if bytes >= TOO_LONG_BYTES && rest <= SHORT_REST_BYTES {
            // This checkpoint does not wait for readers.
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
    /// `None` until the file is opened: the first write creates it.
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
            // The disk is nearly full: writes need the room.
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

/// Appends zeros to a file, from its `end` on, until it is `wanted` bytes long. No frame is behind
/// the end.
fn fill(file: &File, end: u64, wanted: u64) -> io::Result<()> {
    let missing = usize::try_from(wanted.saturating_sub(end)).map_err(io::Error::other)?;
    file.write_all_at(&vec![0; missing], end)
}

/// Logs that the file could not be made longer ahead. SQLite makes it longer itself, or fails with
/// an error.
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

/// The loop of the thread: a checkpoint for each time that it is woken.
fn serve(connection: &Connection, woken: &Receiver<()>, left: &AtomicU64) {
    while woken.recv().is_ok() {
        left.store(checkpoint(connection, "PASSIVE"), Ordering::Relaxed);
    }
}

/// Moves frames of the WAL into the database file, and returns how many are left; 0 if that is not
/// known. A frame in the WAL is as durable as one that was moved.
fn checkpoint(connection: &Connection, mode: &str) -> u64 {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    // The columns: whether a lock prevented the end of the checkpoint, the number of frames of the
    // WAL, and the number of moved frames.
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
