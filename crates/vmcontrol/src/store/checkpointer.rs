//! Carrying what is committed from the log into the database file, off the way of the answers.
//!
//! SQLite would do it in the commit that makes the log long, and every answer in the queue would wait. So it is done by a
//! thread with a connection of its own, while commits go on. The log starts anew from its beginning once all of it has been
//! carried over.
//!
//! A commit that makes the file of the log longer costs the file system a commit of its own, about half as much again. So the
//! file is made longer ahead of the commits, a step at a time, and is not cut when the log starts anew. What stands behind the
//! log is nothing to SQLite: each frame carries checksums and the numbers of its log.

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

use super::files::length_of;
use super::open::BUSY_TIMEOUT;

/// How long the log may be before it is carried over, in bytes.
const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// How long its file may stay, in bytes: what may come while a long log is carried over fits in. A longer one is cut to that
/// when the log starts anew.
pub(super) const KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// By how much the file is made longer at once, in bytes; when half of that is left.
const STEP_BYTES: u64 = 512 * 1024;

/// How long it may be before commits wait for the rest of that, in bytes: they are quicker than the disk then, and the thread
/// never sees the end of the log.
const TOO_LONG_BYTES: u64 = 128 * 1024 * 1024;

/// How large that rest may be, in bytes. More of it is left while somebody reads for long, or right after.
const SHORT_REST_BYTES: u64 = LONG_BYTES;

/// How long to wait after an attempt: somebody who reads for long keeps the log from being carried over.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The handle of the thread.
pub(super) struct Checkpointer {
    log: Log,
    not_before: Instant,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// How many frames the thread has left the last time.
    left: Arc<AtomicU64>,
}

impl Checkpointer {
    /// With a connection of its own, and the path of the log.
    pub(super) fn start(connection: Connection, log: PathBuf) -> Self {
        let (wake, woken) = sync_channel(1);
        let left = Arc::<AtomicU64>::default();
        let tell = Arc::clone(&left);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || serve(&connection, &woken, &tell))
            .expect("a thread can be started at start-up");
        Self {
            log: Log {
                path: log,
                file: None,
            },
            not_before: Instant::now(),
            wake: Some(wake),
            thread: Some(thread),
            left,
        }
    }

    /// Makes room for as much as the log has before it is carried over, so that no commit waits for that. `writer` keeps
    /// everybody else from writing to it meanwhile.
    pub(super) fn begin(&mut self, writer: &Connection) {
        let kept = writer.execute_batch("BEGIN IMMEDIATE");
        let made = kept
            .map_err(io::Error::other)
            .and_then(|()| self.log.make_long(LONG_BYTES + STEP_BYTES));
        let made = made.and(writer.execute_batch("ROLLBACK").map_err(io::Error::other));
        no_matter(made);
    }

    /// Makes room for a transaction that has begun, and so keeps everybody else from writing to the log.
    pub(super) fn before_writes(&mut self) {
        no_matter(self.log.make_room(log_bytes()));
    }

    /// Has the log carried over if it is long. When it is too long `writer`, whose commits [`count_frames`] must hear of, does
    /// the rest at once.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let bytes = log_bytes();
        let now = Instant::now();
        if bytes <= LONG_BYTES || now < self.not_before {
            return;
        }
        self.not_before = now + AGAIN_AFTER;
        let rest = self.left.load(Ordering::Relaxed) * FRAME_BYTES;
        if bytes >= TOO_LONG_BYTES && rest <= SHORT_REST_BYTES {
            // Nobody who reads is waited for.
            let waits = writer.busy_timeout(Duration::ZERO);
            carry_over(writer, "RESTART");
            if let Err(error) = waits.and_then(|()| writer.busy_timeout(BUSY_TIMEOUT)) {
                tracing::warn!(%error, "the database's patience could not be set");
            }
        } else if let Some(wake) = &self.wake
            && let Err(TrySendError::Disconnected(())) = wake.try_send(())
        {
            carry_over(writer, "PASSIVE");
        }
    }
}

thread_local! {
    /// How many frames the log has, on the thread that writes.
    static FRAMES: Cell<u64> = const { Cell::new(0) };
}

/// The length of a frame for a page of 4 KiB, SQLite's own choice for a new database, in bytes. With other pages the log is
/// carried over earlier or later.
const FRAME_BYTES: u64 = 24 + 4096;

/// How long the log is after the last commit of this thread, in bytes.
fn log_bytes() -> u64 {
    FRAMES.get() * FRAME_BYTES
}

/// Hears of each commit of a connection how long it has made the log.
pub(super) fn count_frames(connection: &Connection) {
    connection.wal_hook(Some(|_, frames| {
        FRAMES.set(u64::from(frames.unsigned_abs()));
        Ok(())
    }));
}

/// The file of the log.
struct Log {
    path: PathBuf,
    /// Once it is there.
    file: Option<File>,
}

impl Log {
    /// Makes the file longer if little of it is left behind what is in use.
    fn make_room(&mut self, used: u64) -> io::Result<()> {
        let wanted = (used + STEP_BYTES / 2).min(KEPT_BYTES);
        let file = self.file()?;
        let length = length_of(file)?;
        if length < wanted {
            fill(file, length, length + STEP_BYTES)?;
        }
        Ok(())
    }

    /// Makes the file at least that long, on disk.
    fn make_long(&mut self, bytes: u64) -> io::Result<()> {
        let file = self.file()?;
        let length = length_of(file)?;
        let filled = fill(file, length, bytes).and_then(|()| file.sync_data());
        if filled.is_err() {
            // A disk that is nearly full has better uses for what was written.
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

/// Writes zeros where a file ends: behind its end there is no frame of the log.
fn fill(file: &File, end: u64, wanted: u64) -> io::Result<()> {
    let missing = usize::try_from(wanted.saturating_sub(end)).map_err(io::Error::other)?;
    file.write_all_at(&vec![0; missing], end)
}

/// SQLite makes the log longer itself, or says why that can't be.
fn no_matter(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "the log of the database could not be made longer ahead");
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that carries the log over panicked");
        }
    }
}

fn serve(connection: &Connection, woken: &Receiver<()>, left: &AtomicU64) {
    while woken.recv().is_ok() {
        left.store(carry_over(connection, "PASSIVE"), Ordering::Relaxed);
    }
}

/// What is not carried over stays in the log, which is as safe: so many frames, or none that is known of.
fn carry_over(connection: &Connection, mode: &str) -> u64 {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    // Whether somebody was in the way, the length of the log, how much of it has been carried over.
    let left = connection.query_row(&sql, [], |row| {
        let (log, carried): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(log - carried)
    });
    match left {
        Ok(left) => u64::try_from(left).unwrap_or(0),
        Err(error) => {
            tracing::warn!(%error, "the log of the database could not be carried over");
            0
        }
    }
}
