//! The daemon's side: zygotes, one for each engine and set of libraries, and an actor for each live session.

mod actor;
mod death;
mod launch;
mod look;
mod origin;
mod pool;
mod redo_log;
mod run;
mod session;
pub(crate) mod socket;
mod stand_in;
mod zygote;

use std::ffi::OsString;
use std::path::PathBuf;

use vmapi_types::Sandbox;
use vmcontrol::runtime::{BoxFuture, OpenSessionError, OpenedSession, Runtime, SessionSpec};
use vmcontrol::{MemoryBudget, WriteLimits};

use crate::engine;
pub(crate) use launch::prepare_worker;
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
    bounds: Bounds,
    command: WorkerCommand,
    zygotes: Pool,
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
            zygotes: Pool::new(command.clone(), memory.clone()),
            bounds: Bounds { memory, write },
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
            let zygote = self.zygotes.get(&spec.engine, &spec.libraries).await?;
            Ok(session::open(zygote, spec, self.command.clone(), self.bounds.clone()).await?)
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
