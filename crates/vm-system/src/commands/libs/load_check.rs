//! The check that sessions can load a library.

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

/// Loads libraries of the cache in a worker process like that of a session.
pub(crate) struct LoadCheck {
    cache: LibraryCache,
    runtime: WorkerRuntime,
}

impl LoadCheck {
    /// Creates the check for the libraries of a cache.
    pub(crate) fn new(cache: LibraryCache) -> Result<Self, Failure> {
        let runtime = WorkerRuntime::new(
            worker::command()?,
            MemoryBudget::default(),
            WriteLimits::default(),
        );
        Ok(Self { cache, runtime })
    }

    /// Adds a warning if the library is a module that no session can use. A library that throws is
    /// accepted, because it may depend on others that are loaded before it.
    pub(crate) async fn check(&self, fetched: Fetched) -> Result<Fetched> {
        let library = block_in_place(|| self.cache.load(&fetched.name))?;
        if !library.may_be_module() {
            return Ok(fetched);
        }
        let loading = self
            .runtime
            .try_libraries(DEFAULT_ENGINE.into(), vec![library]);
        let warning = match loading.await {
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
