//! Carrying what is committed from the log into the database file, off the way of the answers.
//!
//! SQLite would do it in the commit that makes the log long, and every answer in the queue would wait. So it is done by a
//! thread with a connection of its own, while commits go on. The log starts anew from its beginning once all of it has been
//! carried over.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::open::BUSY_TIMEOUT;

/// How long the log may be before it is carried over, in bytes. A longer one is cut to that when it starts anew, so that its
/// length says whether there is anything to do.
pub(super) const LONG_BYTES: u64 = 4 * 1024 * 1024;

/// How long it may be before commits wait for that, in bytes: they are quicker than the disk then.
const TOO_LONG_BYTES: u64 = 128 * 1024 * 1024;

/// How long to wait after an attempt: somebody who reads for long keeps the log from being carried over.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The handle of the thread.
pub(super) struct Checkpointer {
    log: PathBuf,
    not_before: Instant,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// With a connection of its own, and the path of the log.
    pub(super) fn start(connection: Connection, log: PathBuf) -> Self {
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || serve(&connection, &woken))
            .expect("a thread can be started at start-up");
        Self {
            log,
            not_before: Instant::now(),
            wake: Some(wake),
            thread: Some(thread),
        }
    }

    /// Has the log carried over if it is long. `writer` does it at once when it is too long.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let Ok(bytes) = std::fs::metadata(&self.log).map(|log| log.len()) else {
            return;
        };
        let now = Instant::now();
        if bytes <= LONG_BYTES || now < self.not_before {
            return;
        }
        self.not_before = now + AGAIN_AFTER;
        if bytes >= TOO_LONG_BYTES {
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

fn serve(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        carry_over(connection, "PASSIVE");
    }
}

/// What is not carried over stays in the log, which is as safe.
fn carry_over(connection: &Connection, mode: &str) {
    let carried = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
    if let Err(error) = carried {
        tracing::warn!(%error, "the log of the database could not be carried over");
    }
}
