//! Opening a session, and the handle of a live one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use vmcontrol::runtime::{
    BoxFuture, Look, LookError, OpenedSession, RunRequest, RunUpdate, RuntimeSession,
    RuntimeUnavailable, SessionEnd, SessionSpec, Sight,
};

use super::WorkerCommand;
use super::actor::{Actor, ActorParts};
use super::look::Looks;
use super::zygote::{Forked, Zygote};
use crate::broker::Broker;
use crate::protocol::SessionSetup;

/// How many updates of a run may wait for the recorder, before the session process has to wait.
const UPDATE_QUEUE: usize = 256;

/// How much of a session's id its processes show.
const TAG_CHARS: usize = 8;

/// How long a session process may take to be forked and prepared.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// What the owner of a session asks its actor for.
pub(super) enum Command {
    /// Run a script and hand on what happens.
    Run(Uuid, RunRequest, mpsc::Sender<RunUpdate>),
    /// Undo that execution.
    Cancel(Uuid),
    /// End the session.
    Close,
}

/// The handle of a live session.
struct Session {
    commands: mpsc::UnboundedSender<Command>,
    zygote: Arc<Zygote>,
    number: u64,
    gone: watch::Receiver<bool>,
    looks: Arc<Looks>,
}

/// Makes a session out of the process that waits for it, or of a new one.
pub(super) async fn open(
    zygote: Arc<Zygote>,
    spec: SessionSpec,
    worker: WorkerCommand,
) -> Result<OpenedSession, RuntimeUnavailable> {
    if let Some(waiting) = zygote.take_waiting(&spec.policy.limits) {
        let opened = prepare(waiting, &zygote, spec.clone(), worker.clone()).await;
        // It may have died while it waited: that is nothing to the caller.
        if opened.is_ok() || !zygote.is_alive() {
            return opened;
        }
    }
    let forked = zygote.fork_session().map_err(|error| RuntimeUnavailable {
        reason: error.to_string(),
    })?;
    prepare(forked, &zygote, spec, worker).await
}

/// Prepares a process for a session.
async fn prepare(
    forked: Forked,
    zygote: &Arc<Zygote>,
    spec: SessionSpec,
    worker: WorkerCommand,
) -> Result<OpenedSession, RuntimeUnavailable> {
    let unavailable = |reason: String| RuntimeUnavailable { reason };
    let Forked {
        sender,
        receiver,
        number,
        news,
    } = forked;
    let (looks, asked_over) =
        Looks::pair(Arc::clone(zygote), number).map_err(|error| unavailable(error.to_string()))?;
    let setup = SessionSetup {
        tag: spec
            .id
            .simple()
            .to_string()
            .chars()
            .take(TAG_CHARS)
            .collect(),
        limits: spec.policy.limits,
        runtime: spec.policy.runtime,
        modules: spec.policy.modules.clone(),
        template_id: spec.policy.template_id.to_string(),
        worktree: spec.worktree.path().to_string_lossy().into_owned(),
        env: environment(&spec.policy.grants.env),
        globals: spec.policy.grants.globals.clone(),
        removed_globals: spec.policy.grants.removed_globals.clone(),
    };
    let (commands, received_commands) = mpsc::unbounded_channel();
    let (say_ready, ready) = oneshot::channel();
    let (say_ended, ended) = oneshot::channel();
    let (set_gone, gone) = watch::channel(false);
    let session = Session {
        commands,
        zygote: Arc::clone(zygote),
        number,
        gone,
        looks,
    };
    let parts = ActorParts {
        sender,
        receiver,
        zygote: Arc::clone(zygote),
        number,
        news,
        commands: received_commands,
        ready: say_ready,
        asked_over,
    };
    let broker = Broker::new(Arc::clone(&spec.policy), Arc::clone(&spec.worktree), worker);
    let mut actor = Actor::new(parts, broker);
    // A new socket takes a message at once, unless the message is large and the process stands still: then it is never ready.
    let _ = tokio::time::timeout(OPEN_TIMEOUT, actor.set_up(setup)).await;
    tokio::spawn(async move {
        let reason = actor.serve().await;
        // Whoever made the session may have given up on it.
        let _ = set_gone.send(true);
        let _ = say_ended.send(SessionEnd { reason });
    });
    match tokio::time::timeout(OPEN_TIMEOUT, ready).await {
        Ok(Ok(Ok(()))) => {
            zygote.fork_ahead();
            Ok(OpenedSession {
                session: Arc::new(session),
                ended,
            })
        }
        Ok(Ok(Err(reason))) => Err(unavailable(reason)),
        Ok(Err(_)) => Err(unavailable(match ended.await {
            Ok(end) => end.reason,
            Err(_) => "its supervisor failed".into(),
        })),
        Err(_) => {
            let _ = session.commands.send(Command::Close);
            Err(unavailable("it was not ready in time".into()))
        }
    }
}

/// The variables of these names that the daemon has, as a script sees them.
fn environment(names: &[String]) -> serde_json::Map<String, serde_json::Value> {
    names
        .iter()
        .filter_map(|name| {
            let value = std::env::var_os(name)?.to_string_lossy().into_owned();
            Some((name.clone(), value.into()))
        })
        .collect()
}

impl RuntimeSession for Session {
    fn run(&self, execution_id: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate> {
        let (updates, receiver) = mpsc::channel(UPDATE_QUEUE);
        // If the actor is gone the sender is dropped, and the receiver says so.
        let _ = self
            .commands
            .send(Command::Run(execution_id, request, updates));
        receiver
    }

    fn cancel(&self, execution_id: Uuid) {
        // If the actor is gone, so is what ran.
        let _ = self.commands.send(Command::Cancel(execution_id));
    }

    fn look(&self, look: Look) -> BoxFuture<'_, Result<Sight, LookError>> {
        Box::pin(async move {
            let mut gone = self.gone.clone();
            tokio::select! {
                sight = self.looks.ask(look) => sight,
                _ = gone.wait_for(|gone| *gone) => Err(LookError::Gone),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.commands.send(Command::Close);
            // Said to the zygote too: the actor may be waiting for a session process that takes nothing.
            self.zygote.close(self.number);
            let mut gone = self.gone.clone();
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}
