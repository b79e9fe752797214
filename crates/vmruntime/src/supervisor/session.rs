//! Opening a session, and the handle of a live one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use vmcontrol::runtime::{
    BoxFuture, OpenedSession, Query, QueryError, QueryResult, RunRequest, RunUpdate,
    RuntimeSession, RuntimeUnavailable, SessionEnd, SessionSpec,
};

use super::home::Home;
use super::query::QueryClient;
use super::session_actor::{Actor, ActorParts};
use super::zygote::Forked;
use crate::host_modules::{self, Bounds};
use crate::ipc::HELPER_TIMEOUT;
use crate::ipc::WorkerCommand;
use crate::supervisor::recovery::replay_log::ReplayLog;
use crate::supervisor::recovery::session_seed::SessionSeed;

/// How many updates of a run may wait for the recorder, before the session process has to wait. Each may have as much as a datagram
/// without taking room for it.
const UPDATE_QUEUE: usize = 64;

/// How long a session process may take to be forked and prepared: a zygote that does not answer is found out before.
const OPEN_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_millis(500));

/// When it is said again that a session is asked something, if nobody has answered.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the owner of a session asks its actor for.
pub(super) enum Command {
    /// Run a script and hand on what happens.
    Run(Uuid, RunRequest, mpsc::Sender<RunUpdate>),
    /// Undo that execution.
    Cancel(Uuid),
    /// See to it that somebody answers questions about the session.
    BeAskable,
}

/// The handle of a live session.
struct Session {
    commands: mpsc::UnboundedSender<Command>,
    /// Also at its end the session is closed.
    closing: watch::Sender<bool>,
    home: Arc<Home>,
    number: u64,
    gone: watch::Receiver<bool>,
    queries: Arc<QueryClient>,
}

/// Makes a session out of the process that waits for it, or of a new one.
pub(super) async fn open(
    home: Home,
    spec: SessionSpec,
    worker: WorkerCommand,
    bounds: Bounds,
) -> Result<OpenedSession, RuntimeUnavailable> {
    let (zygote, home) = (home.zygote(), Arc::new(home));
    // Also where a process waits: if that stands still, the zygote is asked for another one.
    zygote.watch();
    if let Some(waiting) = zygote.take_waiting(&spec.policy.limits) {
        let (worker, bounds) = (worker.clone(), bounds.clone());
        let opened = prepare(waiting, &home, spec.clone(), worker, bounds).await;
        // It may have died while it waited: that is nothing to the caller.
        if opened.is_ok() || !zygote.is_alive() {
            return opened;
        }
    }
    let forked = zygote.fork_session().map_err(|error| RuntimeUnavailable {
        reason: error.to_string(),
    })?;
    prepare(forked, &home, spec, worker, bounds).await
}

/// Prepares a process for a session.
async fn prepare(
    forked: Forked,
    home: &Arc<Home>,
    spec: SessionSpec,
    worker: WorkerCommand,
    bounds: Bounds,
) -> Result<OpenedSession, RuntimeUnavailable> {
    let unavailable = |reason: String| RuntimeUnavailable { reason };
    let Forked {
        sender,
        receiver,
        number,
        process_events,
    } = forked;
    let replay_log = Arc::<ReplayLog>::default();
    let (queries, asked_over) =
        QueryClient::pair(Arc::clone(home), number, Arc::clone(&replay_log))
            .map_err(|error| unavailable(error.to_string()))?;
    let (commands, received_commands) = mpsc::unbounded_channel();
    let (closing, is_closing) = watch::channel(false);
    let (say_ready, ready) = oneshot::channel();
    let (say_ended, ended) = oneshot::channel();
    let (set_gone, gone) = watch::channel(false);
    let session = Session {
        commands,
        closing,
        home: Arc::clone(home),
        number,
        gone,
        queries,
    };
    let parts = ActorParts {
        sender,
        receiver,
        home: Arc::clone(home),
        number,
        process_events,
        commands: received_commands,
        closing: is_closing,
        ready: say_ready,
        seed: SessionSeed::new(&spec, asked_over),
        replay_log,
    };
    let broker = host_modules::broker(
        Arc::clone(&spec.policy),
        Arc::clone(&spec.worktree),
        worker,
        bounds,
    );
    let actor = Actor::new(parts, broker);
    // A new socket takes a message at once, unless the message is large and the process stands still: then it is never ready.
    let _ = tokio::time::timeout(OPEN_TIMEOUT, actor.set_up()).await;
    tokio::spawn(async move {
        let reason = actor.serve().await;
        // Whoever made the session may have given up on it.
        let _ = set_gone.send(true);
        let _ = say_ended.send(SessionEnd { reason });
    });
    match tokio::time::timeout(OPEN_TIMEOUT, ready).await {
        Ok(Ok(Ok(()))) => {
            home.zygote().fork_ahead();
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
        // Without its handle the session is closed.
        Err(_) => Err(unavailable("it was not ready in time".into())),
    }
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

    fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>> {
        Box::pin(async move {
            let mut gone = self.gone.clone();
            let mut sight = std::pin::pin!(self.queries.ask(query));
            loop {
                // If the actor is gone, that is heard below.
                let _ = self.commands.send(Command::BeAskable);
                tokio::select! {
                    sight = &mut sight => return sight,
                    _ = gone.wait_for(|gone| *gone) => return Err(QueryError::Gone),
                    () = tokio::time::sleep(ASK_AGAIN_AFTER) => {}
                }
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closing.send_replace(true);
            // Said to the zygote too: the actor may be waiting for a session process that takes nothing.
            self.home.zygote().close(self.number);
            let mut gone = self.gone.clone();
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}
