//! The connections that only read, served by the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, InterruptHandle};
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
            outcome
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
    /// Whether what runs now is to end.
    unwanted: Arc<Mutex<Arc<Unwanted>>>,
}

/// Says to a query that nobody wants it any more.
#[derive(Default)]
struct Unwanted {
    said: AtomicBool,
    interrupt: Mutex<Option<InterruptHandle>>,
}

impl Unwanted {
    fn say(&self) {
        self.said.store(true, Ordering::SeqCst);
        let interrupt = self
            .interrupt
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*interrupt {
            interrupt.interrupt();
        }
    }
}

/// Ends a query with whoever waits for it.
struct EndOnDrop(Arc<Unwanted>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.say();
    }
}

impl LongReader {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            free: Arc::new(Semaphore::new(1)),
            unwanted: Arc::default(),
        }
    }

    pub(super) async fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Fn() -> bool) -> Result<T, StoreError> + Send + 'static,
    {
        let free = Arc::clone(&self.free);
        let place = free.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let unwanted = Arc::new(Unwanted::default());
        *self.unwanted.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&unwanted);
        let _waiting = EndOnDrop(Arc::clone(&unwanted));
        let path = self.path.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            let unreachable = |error: OpenError| StoreError::Unreachable(error.to_string());
            let connection = open::reader(&path).map_err(unreachable)?;
            *unwanted
                .interrupt
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(connection.get_interrupt_handle());
            query(&connection, &|| !unwanted.said.load(Ordering::SeqCst))
        });
        work.await
            .unwrap_or_else(|error| Err(StoreError::Unreachable(error.to_string())))
    }

    /// Ends the query under way; later ones fail.
    pub(super) async fn close(&self) {
        let running = self
            .unwanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        running.say();
        // It fails when somebody else has closed it.
        let _ = self.free.acquire().await;
        self.free.close();
    }
}
