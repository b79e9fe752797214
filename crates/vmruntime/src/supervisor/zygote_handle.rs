//! The zygote of a session, which changes when a session moves to another one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vmcontrol::runtime::OpenSessionError;

use super::pool::Pool;
use super::zygote::Zygote;

/// The zygote that a session's processes are forked from at the moment.
#[derive(Debug)]
pub(super) struct ZygoteHandle {
    pool: Arc<Pool>,
    zygote: Mutex<Arc<Zygote>>,
}

impl ZygoteHandle {
    /// The handle of a zygote that was taken from `pool`.
    pub(super) fn new(pool: Arc<Pool>, zygote: Arc<Zygote>) -> Self {
        Self {
            pool,
            zygote: Mutex::new(zygote),
        }
    }

    /// The current zygote.
    pub(super) fn zygote(&self) -> Arc<Zygote> {
        Arc::clone(&self.lock())
    }

    /// Gets another zygote with the same engine and libraries, in place of one that has ended.
    ///
    /// # Errors
    /// When no zygote can be started.
    pub(super) async fn replace(&self) -> Result<Arc<Zygote>, OpenSessionError> {
        let gone = self.zygote();
        let zygote = self.pool.get(gone.engine(), gone.libraries()).await?;
        *self.lock() = Arc::clone(&zygote);
        Ok(zygote)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Zygote>> {
        self.zygote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
