//! The daemon's side: zygotes, one for each engine and set of libraries, and an actor for each live session.

mod actor;
pub(crate) mod child;
mod death;
mod home;
mod launch;
mod look;
mod origin;
mod pool;
mod redo_log;
mod run;
mod session;
pub(crate) mod socket;
mod stand_in;
mod watchdog;
mod zygote;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use vmapi_types::Sandbox;
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{BoxFuture, OpenSessionError, OpenedSession, Runtime, SessionSpec};
use vmcontrol::{MemoryBudget, WriteLimits};

use crate::engine;
use home::Home;
pub(crate) use launch::{detach, prepare_worker};
use pool::Pool;
use zygote::Zygote;

/// How many processes at once try whether libraries can be used. Each takes 10 to 30 MB, and as long as the libraries take to
/// load.
const MAX_TRIALS: usize = 2;

/// How long a trial may take, with the wait for its turn. A client waits for the answer.
const TRIAL_TIME: Duration = Duration::from_secs(8);

/// How to start a worker: a program that calls [`worker::main`](crate::worker::main).
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, normally this one.
    pub program: PathBuf,
    /// Its first arguments; the name of the engine follows.
    pub args: Vec<OsString>,
}

/// Live sessions in worker processes.
#[derive(Debug)]
pub struct WorkerRuntime {
    bounds: Bounds,
    command: WorkerCommand,
    zygotes: Arc<Pool>,
    /// Held by whoever tries whether libraries can be used.
    trials: Semaphore,
}

/// What all that sessions ask for is bounded by.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// What the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// What host modules may write.
    pub(crate) write: WriteLimits,
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
