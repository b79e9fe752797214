//! The broker: what scripts do to the world, done by the daemon on their behalf.
//!
//! A session process can do nothing itself. It asks, and the broker checks the session's policy for every single call:
//! what the session process believes to be allowed counts for nothing here.

mod answering;
pub(crate) mod database;
pub(crate) mod exec;
#[cfg(test)]
pub(crate) mod fixtures;
mod fs;
mod loader;
mod net;

use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;
use vmcontrol::{MemoryBudget, Policy, Worktree, WriteAllowance, WriteLimits};

use crate::ipc::value::Content;
use crate::ipc::{HostAnswer, HostCall, HostError, HostReply, LOADER, WorkerCommand};
use database::client::{Database, Ended};
use fs::Files;
use net::Net;

pub(crate) use answering::Answering;

/// The longest path that the system takes, in bytes: `PATH_MAX` of Linux without its NUL.
const MAX_PATH_BYTES: usize = 4095;

/// How much of a path that is too long is shown, in bytes.
const SHOWN_PATH_BYTES: usize = 100;

/// What all that sessions ask for is bounded by.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// What the daemon may hold for sessions.
    pub(crate) memory: MemoryBudget,
    /// What host modules may write.
    pub(crate) write: WriteLimits,
}

/// The broker of one session.
pub(crate) struct Broker {
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    worker: WorkerCommand,
    database: Database,
    files: Files,
    net: Net,
    allowance: Arc<WriteAllowance>,
}

impl Broker {
    /// For a session with this policy, on this worktree.
    pub(crate) fn new(
        policy: Arc<Policy>,
        worktree: Arc<Worktree>,
        worker: WorkerCommand,
        bounds: Bounds,
    ) -> Self {
        let Bounds { memory, write } = bounds;
        let allowance = Arc::new(WriteAllowance::new(write));
        Self {
            database: Database::new(worker.clone(), write),
            worker,
            files: Files::new(memory, Arc::clone(&allowance)),
            net: Net::new(Arc::clone(&policy)),
            allowance,
            policy,
            worktree,
        }
    }

    /// Does what a script asks for. Of the answer all but the end, which this returns, has been sent then. Dropping the future ends
    /// a command that it runs.
    ///
    /// # Errors
    /// When the session process is gone.
    pub(crate) async fn call(
        &self,
        call: HostCall,
        answering: &Answering,
    ) -> io::Result<HostAnswer> {
        self.database.settled().await;
        if call.module == "database" && self.policy.modules.contains(&call.module) {
            // Its process has the answer in parts already.
            let answering = answering.clone();
            return Ok(self.database.call(&self.worktree, call, answering).await);
        }
        let reply = self.reply(call, answering).await;
        answering.all_but_the_end(reply).await
    }

    async fn reply(&self, call: HostCall, answering: &Answering) -> HostReply {
        if call.module == LOADER {
            let (worktree, policy) = (Arc::clone(&self.worktree), Arc::clone(&self.policy));
            let answering = answering.clone();
            return blocking(move || loader::call(&worktree, &policy.resolver, &call, &answering))
                .await;
        }
        if call.module == net::MODULE {
            // No module gives it: the capabilities of kind `net` do, for each host.
            return self.net.call(&call, answering).await;
        }
        if !self.policy.modules.contains(&call.module) {
            return Err(HostError::with_code(
                "EACCES",
                format!("module {:?} is not given by the template", call.module),
            ));
        }
        match call.module.as_str() {
            "fs" => {
                let answering = answering.clone();
                self.files
                    .call(&self.worktree, &self.policy, call, answering)
                    .await
            }
            "exec" => {
                let (worker, limits) = (&self.worker, self.allowance.limits());
                exec::call(
                    worker,
                    &self.worktree,
                    &self.policy,
                    &call,
                    limits,
                    answering,
                )
                .await
            }
            _ => Err(unknown_function(&call)),
        }
    }

    /// Notes that the session keeps what a run did.
    pub(crate) fn run_kept(&self) {
        self.database.run_ended(Ended::Kept);
        self.allowance.begin();
    }

    /// Takes back what a run left open that is rolled back. What it has begun to do has ended when this is over.
    pub(crate) async fn run_taken_back(&self) {
        self.database.run_ended(Ended::TakenBack);
        self.files.stop().await;
        self.database.settled().await;
        self.allowance.begin();
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

/// A text among the arguments of a call.
///
/// # Errors
/// When it is none.
pub(crate) fn text<'a>(call: &'a HostCall, given: &'a Content) -> Result<&'a str, HostError> {
    given.text(&call.body).ok_or_else(|| {
        HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!(
                "{}.{}: an argument is not a string",
                call.module, call.function
            ),
        )
    })
}

/// A path among the arguments of a call.
///
/// # Errors
/// When it is none, or longer than the system takes: what is said of it may repeat it.
pub(crate) fn path<'a>(call: &'a HostCall, given: &'a Content) -> Result<&'a str, HostError> {
    let path = text(call, given)?;
    if path.len() <= MAX_PATH_BYTES {
        return Ok(path);
    }
    let start = &path[..path.floor_char_boundary(SHOWN_PATH_BYTES)];
    let message = format!(
        "ENAMETOOLONG: name too long, {} '{start}...': it has {} bytes, and a path may have {MAX_PATH_BYTES}",
        call.function,
        path.len()
    );
    Err(HostError::with_code("ENAMETOOLONG", message))
}

/// The error of a call for which the daemon has no memory for now.
pub(crate) fn busy() -> HostError {
    HostError::with_code(
        "ERR_HOST_BUSY",
        "the service holds too much for sessions just now: try again, or read and write in smaller parts",
    )
}

/// The error of a call whose answer can't be sent, which nobody will see.
fn unsent(error: &io::Error) -> HostError {
    HostError::new(format!("the answer can't be sent: {error}"))
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
