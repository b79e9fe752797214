//! The connections that only read, served by the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::{OpenError, StoreError};
use super::open;

/// Enough that a long listing does not hold up a short look; each costs a descriptor and a page cache.
const CONNECTIONS: u8 = 4;

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let connections = (0..CONNECTIONS)
            .map(|_| open::reader(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(connections)),
            free: Arc::new(Semaphore::new(CONNECTIONS.into())),
        })
    }

    pub(super) async fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.run_then(query, |found| found).await
    }

    /// Runs the query and then something else that blocks, on one thread, but with the connection given back.
    pub(super) async fn run_then<T, F, U, G>(&self, query: F, then: G) -> Result<U, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        U: Send + 'static,
        G: FnOnce(T) -> U + Send + 'static,
    {
        let free = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let work = tokio::task::spawn_blocking(move || {
            let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = lock().pop().ok_or(StoreError::Closed)?;
            let outcome = query(&connection);
            lock().push(connection);
            drop(free);
            outcome.map(then)
        });
        work.await
            .unwrap_or_else(|error| Err(StoreError::Unreachable(error.to_string())))
    }

    /// Waits for the queries under way; later ones fail.
    pub(super) async fn close(&self) {
        // It fails when somebody else has closed them.
        let _ = self.free.acquire_many(CONNECTIONS.into()).await;
        self.free.close();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// A connection for queries that take long, made for each of them.
pub(super) struct LongReader {
    path: PathBuf,
    free: Arc<Semaphore>,
    is_closing: Arc<AtomicBool>,
}

/// How many steps of SQLite's virtual machine go by before a query asks whether it is still wanted.
const STEPS_BETWEEN_QUESTIONS: i32 = 10_000;

/// Says that nobody waits for a query any more.
struct SayOnDrop(Arc<AtomicBool>);

impl Drop for SayOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl LongReader {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            free: Arc::new(Semaphore::new(1)),
            is_closing: Arc::default(),
        }
    }

    pub(super) async fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Fn() -> bool) -> Result<T, StoreError> + Send + 'static,
    {
        let free = Arc::clone(&self.free);
        let place = free.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let is_abandoned = Arc::new(AtomicBool::new(false));
        let _waiting = SayOnDrop(Arc::clone(&is_abandoned));
        let (path, is_closing) = (self.path.clone(), Arc::clone(&self.is_closing));
        let is_wanted =
            move || !is_abandoned.load(Ordering::SeqCst) && !is_closing.load(Ordering::SeqCst);
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            if !is_wanted() {
                return Err(StoreError::Closed);
            }
            let unreachable = |error: OpenError| StoreError::Unreachable(error.to_string());
            let connection = open::reader(&path).map_err(unreachable)?;
            let asked = is_wanted.clone();
            connection.progress_handler(STEPS_BETWEEN_QUESTIONS, Some(move || !asked()))?;
            query(&connection, &is_wanted)
        });
        work.await
            .unwrap_or_else(|error| Err(StoreError::Unreachable(error.to_string())))
    }

    /// Ends the query under way, and those that wait for their turn; later ones fail.
    pub(super) async fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        // It fails when somebody else has closed it.
        let _ = self.free.acquire().await;
        self.free.close();
    }
}
