//! The daemon's side of the worker processes: zygotes, one for each engine and set of libraries,
//! and an actor for each live session.
//!
//! ```text
//! WorkerRuntime ── pool ── zygote ── actor of the zygote process   (watchdog)
//!       │                    │ process events
//!    session ── session_actor ── session process
//!       │            └── recovery: what a session is restored from
//!     query ── query process
//! ```

mod end_reason;
mod pool;
mod query;
mod recovery;
mod rollback;
mod session;
mod session_actor;
mod watchdog;
mod zygote;
mod zygote_handle;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use vmapi_types::Sandbox;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{
    BoxFuture, HostModuleInfo, OpenSessionError, OpenedSession, Runtime, SessionSpec,
};
use vmcontrol::{MemoryBudget, WriteLimits};

use crate::engine;
use crate::host_modules::{self, Bounds};
use crate::ipc::WorkerCommand;
use pool::Pool;
use zygote::Zygote;
use zygote_handle::ZygoteHandle;

/// How many trials of libraries run at once. A trial starts a zygote, a process of 10 to 30 MB,
/// which lives as long as the libraries take to load.
const MAX_TRIALS: usize = 2;

/// How long a trial may take, including the wait for its permit. A client waits for the answer.
const TRIAL_TIME: Duration = Duration::from_secs(8);

/// Live sessions in worker processes.
#[derive(Debug)]
pub struct WorkerRuntime {
    bounds: Bounds,
    command: WorkerCommand,
    zygotes: Arc<Pool>,
    /// The permits of trials of libraries.
    trials: Semaphore,
}

impl WorkerRuntime {
    /// A runtime without processes. Each zygote starts with the first session that needs it; the
    /// zygote without libraries also starts with a call of [`sandbox`](Runtime::sandbox).
    pub fn new(command: WorkerCommand, memory: MemoryBudget, write: WriteLimits) -> Self {
        Self {
            zygotes: Arc::new(Pool::new(command.clone(), memory.clone())),
            bounds: Bounds { memory, write },
            trials: Semaphore::new(MAX_TRIALS),
            command,
        }
    }
}

impl Runtime for WorkerRuntime {
    fn engines(&self) -> &'static [&'static str] {
        engine::NAMES
    }

    fn host_modules(&self) -> &'static [HostModuleInfo] {
        host_modules::host_modules()
    }

    fn open_session(
        &self,
        spec: SessionSpec,
    ) -> BoxFuture<'_, Result<OpenedSession, OpenSessionError>> {
        Box::pin(async move {
            let mut may_try_again = true;
            loop {
                let zygote = self.zygotes.get(&spec.engine, &spec.libraries).await?;
                let handle = ZygoteHandle::new(Arc::clone(&self.zygotes), Arc::clone(&zygote));
                let (worker, bounds) = (self.command.clone(), self.bounds.clone());
                match session::open(handle, spec.clone(), worker, bounds).await {
                    // The zygote did not answer or died: one other zygote is tried.
                    Err(_) if !zygote.is_alive() && may_try_again => may_try_again = false,
                    opened => return Ok(opened?),
                }
            }
        })
    }

    fn try_libraries(
        &self,
        engine: String,
        libraries: Vec<LoadedLibrary>,
    ) -> BoxFuture<'_, Result<(), OpenSessionError>> {
        Box::pin(async move {
            let trial = async {
                // The semaphore is never closed.
                let _permit = self.trials.acquire().await;
                let memory = self.bounds.memory.clone();
                let zygote = Zygote::start(&self.command, &engine, &libraries, memory).await?;
                zygote.stop();
                zygote.gone().await;
                Ok(())
            };
            // Dropping the future kills a zygote that is not warm yet.
            tokio::time::timeout(TRIAL_TIME, trial)
                .await
                .unwrap_or_else(|_| {
                    Err(OpenSessionError::Library {
                        name: libraries
                            .last()
                            .map_or_else(String::new, |last| last.name.clone()),
                        message: format!("it takes longer than {} s", TRIAL_TIME.as_secs()),
                    })
                })
        })
    }

    fn sandbox(&self) -> BoxFuture<'_, Result<Sandbox, OpenSessionError>> {
        Box::pin(async {
            let zygote = self.zygotes.get(engine::NAMES[0], &[]).await?;
            Ok(zygote.sandbox())
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.zygotes.close())
    }
}
