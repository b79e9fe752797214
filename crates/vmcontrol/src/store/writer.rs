//! The thread that owns the connection that writes.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::checkpointer::Checkpointer;
use super::error::StoreError;
use super::failpoint::{self, Step};
use super::files::Files;

/// How long a job that nobody waits for yet may wait for company. Short enough that a query by somebody else sees a
/// running execution at once, long enough that a short execution needs one sync and not two.
pub(super) const LAZY_DELAY: Duration = Duration::from_millis(20);

/// How many jobs may be queued; a caller waits for a place.
const MAX_QUEUED: usize = 1024;

/// How many jobs one transaction takes, so that answers don't wait for an endless one.
const MAX_BATCH: usize = 512;

type Completion = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs a job in the open transaction, and says how to answer it and how it failed; without a transaction (it failed)
/// the job is not run.
type Work = Box<dyn FnOnce(Option<&Connection>) -> (Completion, Option<StoreError>) + Send>;

/// What is run with the connection and no transaction; it answers by itself.
type Alone = Box<dyn FnOnce(&Connection) + Send>;

struct Job {
    work: Kind,
    lazy: bool,
    place: Place,
}

/// A place in the queue, until the job there is done.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

enum Kind {
    /// Part of a transaction.
    Work(Work),
    /// Something of its own.
    Alone(Alone),
}

/// The handle of the writer thread.
pub(super) struct Writer {
    queue: Mutex<Option<Sender<Job>>>,
    places: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A write whose outcome can be waited for.
pub(crate) struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Pending<T> {
    /// Waits until the write is on disk.
    pub(crate) async fn wait(self) -> Result<T, StoreError> {
        self.0.await.unwrap_or(Err(StoreError::Closed))
    }

    /// How it went, if that is known by now. To be asked until it is, and not again.
    pub(crate) fn outcome(&mut self) -> Option<Result<T, StoreError>> {
        match self.0.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(StoreError::Closed)),
        }
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, checkpointer: Checkpointer, files: Files) -> Self {
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
            queue: Mutex::new(Some(queue)),
            places: Arc::new(Semaphore::new(MAX_QUEUED)),
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Queues a job, at a place in the queue that has been waited for.
    pub(super) fn submit<T, F>(
        &self,
        place: Place,
        job: F,
        lazy: bool,
    ) -> Result<Pending<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, pending) = oneshot::channel();
        let work: Work = Box::new(move |transaction| {
            let outcome = transaction.map(|connection| in_savepoint(connection, job));
            let failure = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
            let failure = failure.map(StoreError::shared);
            let completion: Completion = Box::new(move |committed| {
                let outcome = match outcome {
                    Some(outcome) => outcome.and_then(|value| committed.map(|()| value)),
                    None => Err(committed.err().unwrap_or(StoreError::Closed)),
                };
                // Nobody may wait any more; the write is done all the same.
                let _ = answer.send(outcome);
            });
            (completion, failure)
        });
        self.send(Job {
            work: Kind::Work(work),
            lazy,
            place,
        })?;
        Ok(Pending(pending))
    }

    /// Queues something that is run outside every transaction.
    pub(super) fn alone<T, F>(&self, place: Place, job: F) -> Result<Pending<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, pending) = oneshot::channel();
        let work: Alone = Box::new(move |connection| {
            // Nobody may wait any more.
            let _ = answer.send(job(connection));
        });
        self.send(Job {
            work: Kind::Alone(work),
            lazy: false,
            place,
        })?;
        Ok(Pending(pending))
    }

    /// Waits for a place in the queue.
    pub(super) async fn place(&self) -> Result<Place, StoreError> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await;
        place
            .map(|permit| Place { _permit: permit })
            .map_err(|_| StoreError::Closed)
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().and_then(|queue| queue.send(job).ok());
        sent.ok_or(StoreError::Closed)
    }

    /// Commits what is queued and ends the thread.
    pub(super) async fn close(&self) {
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
    /// The lock on the database must not go before its connection.
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
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let outcome = job(connection);
    if connection.is_autocommit() {
        // The error has taken the transaction with it, and the savepoint.
        return outcome;
    }
    if outcome.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    outcome
}

/// What the thread works with.
struct Thread {
    connection: Connection,
    checkpointer: Checkpointer,
    files: Files,
}

impl Thread {
    fn serve(mut self, jobs: &Receiver<Job>) {
        while let Some(batch) = next_batch(jobs) {
            let mut together = Vec::with_capacity(batch.len());
            for Job { work, place, .. } in batch {
                match work {
                    Kind::Work(work) => together.push((work, place)),
                    Kind::Alone(work) => {
                        // What was asked for before it is done before it.
                        self.commit(std::mem::take(&mut together));
                        work(&self.connection);
                        drop(place);
                    }
                }
            }
            self.commit(together);
        }
        // The last connection to go takes the log along.
        drop(self.checkpointer);
        if let Err((_, error)) = self.connection.close() {
            tracing::error!(%error, "the database was not closed cleanly");
        }
    }

    /// Runs a batch in one transaction and answers all of it.
    fn commit(&mut self, batch: Vec<(Work, Place)>) {
        if batch.is_empty() {
            return;
        }
        let connection = &self.connection;
        let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
        let begun = failpoint::pass(Step::Begin)
            .and_then(|()| self.files.check(false))
            .and_then(|()| Ok(run("BEGIN IMMEDIATE")?))
            .map(|()| self.checkpointer.before_writes());
        let mut places = Vec::with_capacity(batch.len());
        let mut completions: Vec<Completion> = Vec::with_capacity(batch.len());
        let mut broken = None;
        for (work, place) in batch {
            // After some errors (a full disk) SQLite has rolled the transaction back by itself: what comes after it must
            // not run outside one.
            let open = begun.is_ok() && !connection.is_autocommit();
            places.push(place);
            let (completion, failure) = work(open.then_some(connection));
            completions.push(completion);
            if open && connection.is_autocommit() {
                broken = failure;
            }
        }
        let committed = match begun {
            Ok(()) if connection.is_autocommit() => Err(broken.unwrap_or_else(|| {
                StoreError::Unreachable("a write failed and took its transaction with it".into())
            })),
            Ok(()) => failpoint::pass(Step::Commit)
                .and_then(|()| Ok(run("COMMIT")?))
                .and_then(|()| failpoint::pass(Step::Answer))
                // What went into a file that is gone by now is on no disk.
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

/// Waits for a job, then takes what else has queued up. Lazy jobs alone wait for a moment for an urgent one.
fn next_batch(jobs: &Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.recv().ok()?;
    let deadline = Instant::now() + LAZY_DELAY;
    let mut urgent = !first.lazy;
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH {
        let wait = if urgent {
            Duration::ZERO
        } else {
            deadline.saturating_duration_since(Instant::now())
        };
        match jobs.recv_timeout(wait) {
            Ok(job) => {
                urgent |= !job.lazy;
                batch.push(job);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}
