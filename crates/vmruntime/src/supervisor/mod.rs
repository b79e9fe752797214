//! The daemon's side: zygotes, one for each engine and set of libraries, and an actor for each live session.

mod death;
mod home;
mod pool;
mod query;
mod recovery;
mod run;
mod session;
mod session_actor;
mod stand_in;
mod watchdog;
mod zygote;

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
use home::Home;
use pool::Pool;
use zygote::Zygote;

/// How many processes at once try whether libraries can be used. Each takes 10 to 30 MB, and as long as the libraries take to
/// load.
const MAX_TRIALS: usize = 2;

/// How long a trial may take, with the wait for its turn. A client waits for the answer.
const TRIAL_TIME: Duration = Duration::from_secs(8);

/// Live sessions in worker processes.
#[derive(Debug)]
pub struct WorkerRuntime {
    bounds: Bounds,
    command: WorkerCommand,
    zygotes: Arc<Pool>,
    /// Held by whoever tries whether libraries can be used.
    trials: Semaphore,
}

impl WorkerRuntime {
    /// Starts no process yet: each zygote starts with the first session that needs it, or when [`sandbox`](Runtime::sandbox) is asked for.
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
                let home = Home::new(Arc::clone(&self.zygotes), Arc::clone(&zygote));
                let (worker, bounds) = (self.command.clone(), self.bounds.clone());
                match session::open(home, spec.clone(), worker, bounds).await {
                    // It did not answer, or died: another one may.
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
                let _turn = self.trials.acquire().await;
                let memory = self.bounds.memory.clone();
                let zygote = Zygote::start(&self.command, &engine, &libraries, memory).await?;
                zygote.stop();
                zygote.gone().await;
                Ok(())
            };
            // A process that is not warm yet ends when nobody waits for it.
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
