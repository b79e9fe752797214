//! The connections that only read, served by the blocking pool.

use std::path::Path;
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
