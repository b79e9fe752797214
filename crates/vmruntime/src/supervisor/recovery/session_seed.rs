//! The session seed: what a session is made of before its first run.
//!
//! Any fork of the zygote that is set up with the seed becomes a process of the session. So as long
//! as the replay log is complete, a session needs no checkpoint: its state can be rebuilt from the
//! seed and the log.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;
use vmcontrol::runtime::SessionSpec;
use vmcontrol::{Policy, Worktree};

use crate::clock;
use crate::ipc::daemon_end::Sender;
use crate::ipc::{QueryRequest, SessionSetup, ToSession};

/// The generation of a session's first process, and of a query process.
pub(crate) const FIRST_GENERATION: u32 = 1;

/// How many characters of a session's id are in the names of its processes.
const TAG_CHARS: usize = 8;

/// What a session is made of.
pub(crate) struct SessionSeed {
    id: Uuid,
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    /// When the session began, by the monotonic clock. A respawn does not change it, so that
    /// replayed scripts measure the same times.
    started: Duration,
    /// When the session began, by the wall clock: the time since the start of 1970 (UTC).
    started_at: Duration,
    /// The socket from which the session's checkpoints take queries.
    checkpoint_queries: OwnedFd,
}

impl SessionSeed {
    /// The seed of a session that begins now.
    pub(crate) fn new(spec: &SessionSpec, checkpoint_queries: OwnedFd) -> Self {
        Self {
            id: spec.id,
            policy: Arc::clone(&spec.policy),
            worktree: Arc::clone(&spec.worktree),
            started: clock::monotonic(),
            started_at: clock::since_epoch(),
            checkpoint_queries,
        }
    }

    /// Sends the set-up that makes a process the session's own.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) async fn set_up(&self, process: &Sender) -> io::Result<()> {
        let setup = ToSession::Setup(self.setup());
        let along = Some(self.checkpoint_queries.as_raw_fd());
        process.send(FIRST_GENERATION, &setup, along).await
    }

    /// Sends the set-up and one query to a process, which answers the query and ends.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) async fn ask(&self, process: &Sender, request: QueryRequest) -> io::Result<()> {
        let query = ToSession::Query(Box::new(self.setup()), request);
        process.send(FIRST_GENERATION, &query, None).await
    }

    fn setup(&self) -> SessionSetup {
        let policy = &self.policy;
        let id = self.id.simple().to_string();
        SessionSetup {
            tag: id.chars().take(TAG_CHARS).collect(),
            limits: policy.limits,
            runtime: policy.runtime,
            modules: policy.modules.clone(),
            template_id: policy.template_id.to_string(),
            worktree: self.worktree.path().to_string_lossy().into_owned(),
            started: self.started,
            started_at: self.started_at,
            env: environment(&policy.grants.env),
            globals: policy.grants.globals.clone(),
            removed_globals: policy.grants.removed_globals.clone(),
        }
    }
}

/// The environment variables of the daemon with these names, as a script sees them. Names that the
/// daemon does not have are left out.
fn environment(names: &[String]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some((name.clone(), value.into()))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;
    use crate::host_modules::fixtures::{policy, worktree};
    use crate::ipc::daemon_end;

    /// The seed of a session that has no process.
    pub(crate) fn seed() -> Arc<SessionSeed> {
        let (_, _, checkpoint_queries) = daemon_end::pair(1024).unwrap();
        let (_home, worktree) = worktree();
        let spec = SessionSpec {
            id: Uuid::nil(),
            engine: "boa".into(),
            policy: Arc::new(policy(&[])),
            worktree: Arc::new(worktree),
            libraries: Vec::new(),
        };
        Arc::new(SessionSeed::new(&spec, checkpoint_queries))
    }
}
