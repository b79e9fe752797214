use anyhow::Result;
use tokio::task::block_in_place;
use vmcontrol::catalog::DEFAULT_ENGINE;
use vmcontrol::library::LibraryCache;
use vmcontrol::runtime::{OpenSessionError, Runtime};
use vmcontrol::{MemoryBudget, WriteLimits};
use vmruntime::WorkerRuntime;

use super::fetch::Fetched;
use crate::commands::worker;
use crate::failure::Failure;

/// Tries whether sessions can use what is in the cache, in processes like theirs.
pub(crate) struct Trial {
    cache: LibraryCache,
    runtime: WorkerRuntime,
}

impl Trial {
    /// Of the libraries of a cache.
    pub(crate) fn new(cache: LibraryCache) -> Result<Self, Failure> {
        let runtime = WorkerRuntime::new(
            worker::command()?,
            MemoryBudget::default(),
            WriteLimits::default(),
        );
        Ok(Self { cache, runtime })
    }

    /// Adds a warning if it is a module that no session can use. One that fails by itself may need others before it.
    pub(crate) async fn of(&self, fetched: Fetched) -> Result<Fetched> {
        let library = block_in_place(|| self.cache.load(&fetched.name))?;
        if !library.may_be_module() {
            return Ok(fetched);
        }
        let tried = self
            .runtime
            .try_libraries(DEFAULT_ENGINE.into(), vec![library]);
        let warning = match tried.await {
            Ok(()) | Err(OpenSessionError::Library { .. }) => None,
            Err(OpenSessionError::NoScript { message, .. }) => {
                Some(format!("sessions can't use it yet: {message}"))
            }
            Err(error @ OpenSessionError::Unavailable(_)) => {
                Some(format!("whether sessions can use it is not known: {error}"))
            }
        };
        Ok(Fetched { warning, ..fetched })
    }
}
