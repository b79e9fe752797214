//! The thread that owns the connection that writes.
//!
//! # One write
//!
//! A caller reserves room ([`Writer::room`]), which is where it waits when the disk can't keep up,
//! and submits a job: a function of the connection. Submitting does not wait. The thread takes the
//! first job and all others that have queued up behind it, and runs the batch in one transaction:
//!
//! ```text
//! check that the files are those that were opened
//! BEGIN IMMEDIATE
//! make room in the WAL's file                    wal.rs
//!   SAVEPOINT job; the job; RELEASE job          for each job, in the order of the queue;
//!                                                ROLLBACK TO job if it fails
//! COMMIT                                         writes the WAL and syncs it
//! check that the files are those that were opened
//! answer every job of the batch
//! wake the checkpointer if the WAL is long       wal.rs
//! ```
//!
//! # Why that is right
//!
//! - *An answered write is durable.* No answer is sent before `COMMIT` has returned, which includes
//!   the sync, and before a check that the names of the files lead to the files that were written.
//!   SQLite reports no error for a commit to a file that was moved away.
//! - *A write that fails fails no other.* It is rolled back to its savepoint and answered with its
//!   own error; the transaction goes on. The exceptions are errors at which SQLite rolls the whole
//!   transaction back by itself, as it does when the disk is full. Then the connection is in
//!   autocommit mode: no later job of the batch is run, since it would commit alone, and every job
//!   of the batch is answered with that error.
//! - *A failed commit fails every job of the batch*, also those that succeeded. The rest of the
//!   transaction is rolled back, so that the next batch begins a new one.
//! - *Order.* Jobs run in the order of submission, so a job sees what the jobs before it wrote, and
//!   a reader that waits for a job sees what was submitted before it. If a job failed, a later job
//!   that depends on it has to find out by itself: `event::append` compares the number of its first
//!   event with the last one that is stored.
//! - *Only a caller that is gone misses the outcome.* Dropping a [`PendingWrite`] does not cancel
//!   the job. If the process dies between the commit and the answer, the write is in the database
//!   and was not answered.
//!
//! # Lazy writes
//!
//! A job that no caller waits for yet (the record of an execution that begins, a batch of its
//! events) may wait up to [`LAZY_DELAY`] for other jobs. A prompt job in the queue ends the wait at
//! once and shares its transaction with the lazy ones before it: a short execution costs one sync
//! and not two.
//!
//! # Jobs outside transactions
//!
//! `VACUUM` is a job that runs alone: the jobs that were submitted before it are committed first.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use vmcontrol::store::{PendingWrite, StoreError, Urgency, WritePermit, WriteRoom, pending_write};

use crate::error::DbError;
use crate::failpoint::{self, Step};
use crate::files::Files;
use crate::wal::Checkpointer;

/// How long a lazy job may wait for other jobs: short enough that a query by another client sees a
/// running execution at once, and long enough that a short execution needs one sync and not two.
const LAZY_DELAY: Duration = Duration::from_millis(20);

/// The number of jobs that may be queued. A caller waits for room.
const MAX_QUEUED: usize = 1024;

/// The largest number of jobs of one transaction, so that answers don't wait for an endless one.
const MAX_BATCH: usize = 512;

/// Answers a job, once it is known whether its transaction was committed.
type Completion = Box<dyn FnOnce(Result<(), DbError>) + Send>;

/// Runs a job in the open transaction. Returns the function that answers the job, and the error of
/// a job that failed. The job is not run if the connection is `None`: there is no transaction.
type InTransaction = Box<dyn FnOnce(Option<&Connection>) -> (Completion, Option<DbError>) + Send>;

/// Runs a job outside transactions, and answers it.
type Alone = Box<dyn FnOnce(&Connection) + Send>;

struct Job {
    work: Work,
    urgency: Urgency,
    /// Released when the job is done.
    permit: WritePermit,
}

enum Work {
    InTransaction(InTransaction),
    Alone(Alone),
}

/// The handle of the thread.
pub(crate) struct Writer {
    room: WriteRoom,
    /// `None` once the store is closed.
    queue: Mutex<Option<Sender<Job>>>,
    /// `None` once the store is closed.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(connection: Connection, checkpointer: Checkpointer, files: Files) -> Self {
        let (queue, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let thread = Thread {
                    connection,
                    checkpointer,
                    files,
                };
                thread.serve(&jobs);
            })
            .expect("a thread can be started at start-up");
        Self {
            room: WriteRoom::new(MAX_QUEUED),
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
        }
    }

    /// The room for jobs.
    pub(crate) fn room(&self) -> &WriteRoom {
        &self.room
    }

    /// Queues a job for a transaction.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub(crate) fn submit<T, F>(
        &self,
        permit: WritePermit,
        urgency: Urgency,
        job: F,
    ) -> Result<PendingWrite<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let (answer, pending) = pending_write();
        let work: InTransaction = Box::new(move |transaction| {
            let outcome = transaction.map(|connection| in_savepoint(connection, job));
            let failure = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
            let failure = failure.map(DbError::shared);
            let completion: Completion = Box::new(move |committed| {
                let outcome = match outcome {
                    Some(outcome) => outcome.and_then(|value| committed.map(|()| value)),
                    None => Err(committed.err().unwrap_or(DbError::Closed)),
                };
                answer.send(outcome.map_err(StoreError::from));
            });
            (completion, failure)
        });
        self.send(Job {
            work: Work::InTransaction(work),
            urgency,
            permit,
        })?;
        Ok(pending)
    }

    /// Queues a job that runs outside transactions.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub(crate) fn submit_alone<T, F>(
        &self,
        permit: WritePermit,
        job: F,
    ) -> Result<PendingWrite<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let (answer, pending) = pending_write();
        let work: Alone =
            Box::new(move |connection| answer.send(job(connection).map_err(StoreError::from)));
        self.send(Job {
            work: Work::Alone(work),
            urgency: Urgency::Prompt,
            permit,
        })?;
        Ok(pending)
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().and_then(|queue| queue.send(job).ok());
        sent.ok_or(StoreError::Closed)
    }

    /// Commits the queued jobs and ends the thread.
    pub(crate) async fn close(&self) {
        drop(take(&self.queue));
        if let Some(thread) = take(&self.thread) {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the store's writer thread panicked");
            }
        }
    }
}

impl Drop for Writer {
    /// Waits for the thread: it must close its connection before the lock on the database is
    /// released.
    fn drop(&mut self) {
        drop(take(&self.queue));
        if let Some(thread) = take(&self.thread)
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let outcome = job(connection);
    if connection.is_autocommit() {
        // The error has ended the transaction with its savepoint.
        return outcome;
    }
    if outcome.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    outcome
}

/// The state of the thread.
struct Thread {
    connection: Connection,
    checkpointer: Checkpointer,
    files: Files,
}

impl Thread {
    fn serve(mut self, jobs: &Receiver<Job>) {
        while let Some(batch) = next_batch(jobs) {
            let mut together = Vec::with_capacity(batch.len());
            for Job { work, permit, .. } in batch {
                match work {
                    Work::InTransaction(work) => together.push((work, permit)),
                    Work::Alone(work) => {
                        self.commit(std::mem::take(&mut together));
                        work(&self.connection);
                        drop(permit);
                    }
                }
            }
            self.commit(together);
        }
        // The last connection that is closed removes the WAL: it must be this one.
        drop(self.checkpointer);
        if let Err((_, error)) = self.connection.close() {
            tracing::error!(%error, "the database was not closed cleanly");
        }
    }

    /// Runs a batch in one transaction and answers all of it.
    fn commit(&mut self, batch: Vec<(InTransaction, WritePermit)>) {
        if batch.is_empty() {
            return;
        }
        let connection = &self.connection;
        let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
        let begun = failpoint::pass(Step::Begin)
            .and_then(|()| self.files.check(false))
            .and_then(|()| Ok(run("BEGIN IMMEDIATE")?))
            .map(|()| self.checkpointer.before_writes());
        let mut permits = Vec::with_capacity(batch.len());
        let mut completions: Vec<Completion> = Vec::with_capacity(batch.len());
        // The error that has ended the transaction before its commit.
        let mut broken = None;
        for (work, permit) in batch {
            let is_open = begun.is_ok() && !connection.is_autocommit();
            permits.push(permit);
            let (completion, failure) = work(is_open.then_some(connection));
            completions.push(completion);
            if is_open && connection.is_autocommit() {
                broken = failure;
            }
        }
        let committed = match begun {
            Ok(()) if connection.is_autocommit() => Err(broken.unwrap_or_else(|| {
                DbError::Unreachable("a write failed and took its transaction with it".into())
            })),
            Ok(()) => failpoint::pass(Step::Commit)
                .and_then(|()| Ok(run("COMMIT")?))
                .and_then(|()| failpoint::pass(Step::Answer))
                // A commit to a file that was removed meanwhile is lost.
                .and_then(|()| self.files.check(true)),
            Err(error) => Err(error),
        };
        if let Err(error) = &committed {
            tracing::error!(%error, "a transaction of the store failed");
            if !connection.is_autocommit()
                && let Err(error) = run("ROLLBACK")
            {
                tracing::error!(%error, "a failed transaction could not be rolled back");
            }
        }
        for completion in completions {
            completion(match &committed {
                Ok(()) => Ok(()),
                Err(error) => Err(error.shared()),
            });
        }
        self.checkpointer.after_commit(connection);
    }
}

/// Waits for a job, and takes the other queued jobs with it. Lazy jobs wait up to [`LAZY_DELAY`]
/// for a prompt one. `None` when the store is closed and the queue is empty.
fn next_batch(jobs: &Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.recv().ok()?;
    let deadline = Instant::now() + LAZY_DELAY;
    let mut is_prompt = first.urgency == Urgency::Prompt;
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH {
        let wait = if is_prompt {
            Duration::ZERO
        } else {
            deadline.saturating_duration_since(Instant::now())
        };
        match jobs.recv_timeout(wait) {
            Ok(job) => {
                is_prompt |= job.urgency == Urgency::Prompt;
                batch.push(job);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}
