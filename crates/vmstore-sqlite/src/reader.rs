//! The connections that only read. Queries run on tokio's blocking threads.
//!
//! A query waits for a free connection before it takes a thread, so that many queries at once take
//! no more threads than there are connections.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{DbError, OpenError};
use crate::open;

/// The number of connections for short queries. A few keep a long listing from holding up the
/// others; each costs a descriptor and a page cache.
const CONNECTIONS: u8 = 4;

/// The connections for short queries.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let connections = (0..CONNECTIONS)
            .map(|_| open::reader(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(connections)),
            free: Arc::new(Semaphore::new(CONNECTIONS.into())),
        })
    }

    /// Runs a query.
    pub(crate) async fn run<T, F>(&self, query: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    {
        let free = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(|_| DbError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let work = tokio::task::spawn_blocking(move || {
            let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = lock().pop().ok_or(DbError::Closed)?;
            let outcome = query(&connection);
            lock().push(connection);
            drop(free);
            outcome
        });
        work.await
            .unwrap_or_else(|error| Err(DbError::Unreachable(error.to_string())))
    }

    /// Waits until the running queries have ended. Later queries fail.
    pub(crate) async fn close(&self) {
        // This fails if the connections are closed already.
        let _ = self.free.acquire_many(CONNECTIONS.into()).await;
        self.free.close();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Runs queries that take long: one at a time, each on a connection of its own.
pub(crate) struct LongReader {
    path: PathBuf,
    free: Arc<Semaphore>,
    is_closing: Arc<AtomicBool>,
}

/// The number of steps of SQLite's virtual machine between two checks whether a long query is still
/// wanted.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// Sets a flag when it is dropped, which means that the caller of a query does not wait any more.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl LongReader {
    /// A reader of the database at `path`.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            free: Arc::new(Semaphore::new(1)),
            is_closing: Arc::default(),
        }
    }

    /// Runs a query. Its second argument tells whether its result is still wanted. The query is
    /// interrupted when this future is dropped or the store is closed.
    pub(crate) async fn run<T, F>(&self, query: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &dyn Fn() -> bool) -> Result<T, DbError> + Send + 'static,
    {
        let free = Arc::clone(&self.free);
        let turn = free.acquire_owned().await.map_err(|_| DbError::Closed)?;
        let is_abandoned = Arc::new(AtomicBool::new(false));
        let _waiting = SetOnDrop(Arc::clone(&is_abandoned));
        let (path, is_closing) = (self.path.clone(), Arc::clone(&self.is_closing));
        let is_wanted =
            move || !is_abandoned.load(Ordering::SeqCst) && !is_closing.load(Ordering::SeqCst);
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if !is_wanted() {
                return Err(DbError::Closed);
            }
            let unreachable = |error: OpenError| DbError::Unreachable(error.to_string());
            let connection = open::reader(&path).map_err(unreachable)?;
            let is_still_wanted = is_wanted.clone();
            let handler = move || !is_still_wanted();
            connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(handler))?;
            query(&connection, &is_wanted)
        });
        work.await
            .unwrap_or_else(|error| Err(DbError::Unreachable(error.to_string())))
    }

    /// Interrupts the running query and those that wait for their turn. Later queries fail.
    pub(crate) async fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        // This fails if the reader is closed already.
        let _ = self.free.acquire().await;
        self.free.close();
    }
}
