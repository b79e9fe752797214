//! The daemon's side: zygotes, one for each engine, and an actor for each live session.

mod actor;
mod death;
mod launch;
mod run;
mod session;
pub(crate) mod socket;
mod zygote;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use vmcontrol::runtime::{BoxFuture, OpenedSession, Runtime, RuntimeUnavailable, SessionSpec};

use crate::engine;
pub(crate) use launch::prepare_worker;
use zygote::Zygote;

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
    /// Nothing once the runtime has been shut down.
    zygotes: Mutex<Option<HashMap<String, Arc<Zygote>>>>,
}

impl WorkerRuntime {
    /// Starts no process yet: each zygote starts with the first session of its engine, or with
    /// [`warm_up`](Self::warm_up).
    pub fn new(command: WorkerCommand) -> Self {
        Self {
            command,
            zygotes: Mutex::new(Some(HashMap::new())),
        }
    }

    /// Starts the zygote of the default engine, so that the first session does not wait for it.
    ///
    /// # Errors
    /// When it can't be started.
    pub async fn warm_up(&self) -> Result<(), RuntimeUnavailable> {
        self.zygote(engine::NAMES[0]).await.map(drop)
    }

    /// The zygote of an engine; a new one if the last has died.
    async fn zygote(&self, engine: &str) -> Result<Arc<Zygote>, RuntimeUnavailable> {
        let mut zygotes = self.zygotes.lock().await;
        let zygotes = zygotes.as_mut().ok_or_else(|| RuntimeUnavailable {
            reason: "the service is shutting down".into(),
        })?;
        if let Some(zygote) = zygotes.get(engine)
            && zygote.is_alive()
        {
            return Ok(Arc::clone(zygote));
        }
        let started = Zygote::start(&self.command, engine)
            .await
            .map_err(|error| RuntimeUnavailable {
                reason: error.to_string(),
            })?;
        let zygote = Arc::new(started);
        zygotes.insert(engine.to_owned(), Arc::clone(&zygote));
        Ok(zygote)
    }
}

impl Runtime for WorkerRuntime {
    fn engines(&self) -> &'static [&'static str] {
        engine::NAMES
    }

    fn open_session(
        &self,
        spec: SessionSpec,
    ) -> BoxFuture<'_, Result<OpenedSession, RuntimeUnavailable>> {
        Box::pin(async move {
            let zygote = self.zygote(&spec.engine).await?;
            session::open(zygote, spec, self.command.clone()).await
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let zygotes = self.zygotes.lock().await.take();
            for zygote in zygotes.into_iter().flat_map(HashMap::into_values) {
                zygote.stop().await;
            }
        })
    }
}
