//! The broker: what scripts do to the world, done by the daemon on their behalf.
//!
//! A session process can do nothing itself. It asks, and the broker checks the session's policy for every single call:
//! what the session process believes to be allowed counts for nothing here.

mod database;
mod exec;
#[cfg(test)]
pub(crate) mod fixtures;
mod fs;
mod loader;
mod net;
pub(crate) mod wire;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;
use vmcontrol::{Policy, Worktree};

use crate::host::WorkerCommand;
use crate::protocol::{HostCall, HostError, HostReply, LOADER};
use database::{Database, Ended};
use fs::Files;
use net::Net;

/// The broker of one session.
pub(crate) struct Broker {
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    worker: WorkerCommand,
    database: Database,
    files: Files,
    net: Net,
}

impl Broker {
    /// For a session with this policy, on this worktree.
    pub(crate) fn new(policy: Arc<Policy>, worktree: Arc<Worktree>, worker: WorkerCommand) -> Self {
        Self {
            database: Database::new(worker.clone()),
            worker,
            files: Files::default(),
            net: Net::new(Arc::clone(&policy)),
            policy,
            worktree,
        }
    }

    /// Does what a script asks for. Dropping the future ends a command that it runs.
    pub(crate) async fn call(&self, call: HostCall) -> HostReply {
        self.database.settled().await;
        if call.module == LOADER {
            let (worktree, policy) = (Arc::clone(&self.worktree), Arc::clone(&self.policy));
            return blocking(move || loader::call(&worktree, &policy.resolver, &call)).await;
        }
        if call.module == net::MODULE {
            // No module gives it: the capabilities of kind `net` do, for each host.
            return self.net.call(&call).await;
        }
        if !self.policy.modules.contains(&call.module) {
            return Err(HostError::with_code(
                "EACCES",
                format!("module {:?} is not given by the template", call.module),
            ));
        }
        match call.module.as_str() {
            "fs" => self.files.call(&self.worktree, &self.policy, call).await,
            "database" => self.database.call(&self.worktree, call).await,
            "exec" => exec::call(&self.worker, &self.worktree, &self.policy, &call).await,
            _ => Err(unknown_function(&call)),
        }
    }

    /// Notes that the session keeps what a run did.
    pub(crate) fn run_kept(&self) {
        self.database.run_ended(Ended::Kept);
    }

    /// Takes back what a run left open that is rolled back. What it has begun to do has ended when this is over.
    pub(crate) async fn run_taken_back(&self) {
        self.database.run_ended(Ended::TakenBack);
        self.files.stop().await;
        self.database.settled().await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(HostError::new(format!("the service failed: {error}"))))
}

/// The arguments of a call.
pub(crate) fn args<T: DeserializeOwned>(call: &HostCall, usage: &str) -> Result<T, HostError> {
    serde_json::from_str(call.args.get()).map_err(|_| {
        HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!("use {}.{usage}", call.module),
        )
    })
}

pub(crate) fn answer(value: &impl Serialize) -> HostReply {
    to_raw_value(value).map_err(|error| HostError::new(error.to_string()))
}

pub(crate) fn done() -> HostReply {
    answer(&Value::Null)
}

/// The command that adds a capability, as a message shows it.
fn hint(template: &str, kind: &str, name: &str, config: Option<&Value>) -> String {
    let config = config.map_or(String::new(), |config| {
        let quoted = config.to_string().replace('\'', "'\\''");
        format!(" --config '{quoted}'")
    });
    format!("`vm-system template add-capability {template} --kind {kind} --name {name}{config}`")
}

pub(crate) fn unknown_function(call: &HostCall) -> HostError {
    HostError::new(format!(
        "module {} has no function {}",
        call.module, call.function
    ))
}
