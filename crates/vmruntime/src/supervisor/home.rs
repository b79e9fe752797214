//! The zygote of a session: another one once that is gone, for a session that can be made once more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vmcontrol::runtime::OpenSessionError;

use super::pool::Pool;
use super::zygote::Zygote;

/// The zygote that a session is forked from now.
#[derive(Debug)]
pub(super) struct Home {
    pool: Arc<Pool>,
    zygote: Mutex<Arc<Zygote>>,
}

impl Home {
    pub(super) fn new(pool: Arc<Pool>, zygote: Arc<Zygote>) -> Self {
        Self {
            pool,
            zygote: Mutex::new(zygote),
        }
    }

    /// The zygote that it is now.
    pub(super) fn zygote(&self) -> Arc<Zygote> {
        Arc::clone(&self.lock())
    }

    /// Gets another zygote of the same kind in place of one that is gone.
    ///
    /// # Errors
    /// When none can be started.
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
