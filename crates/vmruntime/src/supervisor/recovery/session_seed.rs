//! What a session is before it has a checkpoint.
//!
//! Its state then is what any fork of the zygote becomes with the same set-up, and with what its redo log holds: the zygote is
//! its checkpoint, and it needs none of its own. A session whose process dies is made once more; one that is asked something gets a process that stands in for
//! the checkpoint (`stand_in.rs`).

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
use crate::ipc::{SessionSetup, ToSession};

/// The generation of the first session process.
pub(crate) const FIRST_GENERATION: u32 = 1;

/// How much of a session's id its processes show.
const TAG_CHARS: usize = 8;

/// What a session is made of.
pub(crate) struct SessionSeed {
    id: Uuid,
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    /// When that began, by the steady clock and by the calendar: a session that is made once more is no younger.
    started: Duration,
    started_at: Duration,
    /// For its processes: over this the session is asked.
    asked_over: OwnedFd,
}

impl SessionSeed {
    pub(crate) fn new(spec: &SessionSpec, asked_over: OwnedFd) -> Self {
        Self {
            id: spec.id,
            policy: Arc::clone(&spec.policy),
            worktree: Arc::clone(&spec.worktree),
            started: clock::monotonic(),
            started_at: clock::since_epoch(),
            asked_over,
        }
    }

    /// Tells a process what session it is for.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) async fn set_up(&self, process: &Sender) -> io::Result<()> {
        let setup = ToSession::Setup(self.setup());
        let along = Some(self.asked_over.as_raw_fd());
        process.send(FIRST_GENERATION, &setup, along).await
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

/// The variables of these names that the daemon has, as a script sees them.
fn environment(names: &[String]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some((name.clone(), value.into()))
        })
        .collect()
}
