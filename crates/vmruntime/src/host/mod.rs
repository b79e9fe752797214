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

use vmapi_types::Sandbox;
use vmcontrol::runtime::{BoxFuture, OpenSessionError, OpenedSession, Runtime, SessionSpec};

use crate::engine;
use home::Home;
pub(crate) use launch::{detach, prepare_worker};
use pool::Pool;

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
    command: WorkerCommand,
    zygotes: Arc<Pool>,
}

impl WorkerRuntime {
    /// Starts no process yet: each zygote starts with the first session that needs it, or when [`sandbox`](Runtime::sandbox) is asked for.
    pub fn new(command: WorkerCommand) -> Self {
        Self {
            zygotes: Arc::new(Pool::new(command.clone())),
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
                match session::open(home, spec.clone(), self.command.clone()).await {
                    // It did not answer, or died: another one may.
                    Err(_) if !zygote.is_alive() && may_try_again => may_try_again = false,
                    opened => return Ok(opened?),
                }
            }
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
