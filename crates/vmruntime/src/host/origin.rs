//! What a session is before its first commit.
//!
//! Its state then is what any fork of the zygote becomes with the same set-up: the zygote is its checkpoint, and it needs none
//! of its own. A session whose process dies is made once more; one that is asked something gets a process that stands in for
//! the checkpoint.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::error::TryRecvError;
use uuid::Uuid;
use vmcontrol::runtime::SessionSpec;
use vmcontrol::{Policy, Worktree};

use super::socket::Sender;
use super::zygote::{Forked, News, Zygote};
use crate::protocol::{SessionSetup, ToSession};

/// The generation of the first session process.
pub(super) const FIRST_GENERATION: u32 = 1;

/// How much of a session's id its processes show.
const TAG_CHARS: usize = 8;

/// How long a process that stands in may take to read its set-up.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// What a session is made of.
pub(super) struct Origin {
    id: Uuid,
    policy: Arc<Policy>,
    worktree: Arc<Worktree>,
    /// For its processes: over this the session is asked.
    asked_over: OwnedFd,
    /// It ends when it is hung up on.
    stand_in: Option<Forked>,
}

impl Origin {
    pub(super) fn new(spec: &SessionSpec, asked_over: OwnedFd) -> Self {
        Self {
            id: spec.id,
            policy: Arc::clone(&spec.policy),
            worktree: Arc::clone(&spec.worktree),
            asked_over,
            stand_in: None,
        }
    }

    /// Tells a process what session it is for.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) async fn set_up(&self, process: &Sender) -> io::Result<()> {
        let setup = ToSession::Setup(self.setup());
        let along = Some(self.asked_over.as_raw_fd());
        process.send(FIRST_GENERATION, &setup, along).await
    }

    /// Makes sure that somebody answers questions about the session, whose number is given. Who asks says so again while
    /// nobody answers.
    pub(super) async fn be_askable(&mut self, zygote: &Zygote, number: u64) {
        if self.stand_in.as_mut().is_some_and(is_there) {
            return;
        }
        let made = async {
            let forked = zygote.fork_as(number_of_stand_in(number))?;
            self.set_up(&forked.sender).await?;
            let stand_in = ToSession::StandIn;
            forked
                .sender
                .send(FIRST_GENERATION, &stand_in, None)
                .await?;
            io::Result::Ok(forked)
        };
        match tokio::time::timeout(SET_UP_TIMEOUT, made).await {
            Ok(Ok(stand_in)) => self.stand_in = Some(stand_in),
            Ok(Err(error)) => tracing::debug!(number, %error, "nothing stands in for a checkpoint"),
            Err(_) => tracing::debug!(number, "what stands in for a checkpoint takes nothing"),
        }
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
            env: environment(&policy.grants.env),
            globals: policy.grants.globals.clone(),
            removed_globals: policy.grants.removed_globals.clone(),
        }
    }
}

/// The zygote's number for the process that stands in for the checkpoint of a session. It counts sessions from one.
pub(super) fn number_of_stand_in(session: u64) -> u64 {
    session | 1 << 63
}

/// Whether its process has not ended yet.
fn is_there(forked: &mut Forked) -> bool {
    loop {
        match forked.news.try_recv() {
            // Its number is free only at the end.
            Ok(News::Died(_)) => {}
            Ok(News::Ended | News::OpenFailed(_) | News::ZygoteGone(_))
            | Err(TryRecvError::Disconnected) => return false,
            Err(TryRecvError::Empty) => return true,
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
