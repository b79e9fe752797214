//! Opening a session, and the handle of a live one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use vmcontrol::runtime::{
    BoxFuture, OpenedSession, Query, QueryError, QueryResult, RunRequest, RunUpdate,
    RuntimeSession, RuntimeUnavailable, SessionEnd, SessionSpec,
};

use super::query::QueryClient;
use super::recovery::replay_log::ReplayLog;
use super::recovery::session_seed::SessionSeed;
use super::session_actor::command::Command;
use super::session_actor::{ActorParts, SessionActor};
use super::zygote::ForkedProcess;
use super::zygote_handle::ZygoteHandle;
use crate::host_modules::{self, Bounds};
use crate::ipc::{HELPER_TIMEOUT, MAX_FROM_QUERY_BYTES, WorkerCommand, daemon_end};

/// How many updates of a run may wait for the recorder before the session process has to wait. Each
/// may have as much as a datagram without taking room for it.
const UPDATE_QUEUE: usize = 64;

/// How long a session process may take to be forked and prepared: a zygote that does not answer is
/// replaced before.
const OPEN_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_millis(500));

/// The handle of a live session. When it is dropped the session is closed.
struct Session {
    commands: mpsc::UnboundedSender<Command>,
    /// Closes the session when it is set, and when it is dropped.
    closing: watch::Sender<bool>,
    zygotes: Arc<ZygoteHandle>,
    /// The zygote's number for the session.
    number: u64,
    /// Whether the session's processes are gone.
    gone: watch::Receiver<bool>,
    queries: Arc<QueryClient>,
}

/// Opens a session in a process that was forked ahead, or in a new one.
///
/// # Errors
/// When no process can be forked or prepared in time.
pub(super) async fn open(
    zygotes: ZygoteHandle,
    spec: SessionSpec,
    worker: WorkerCommand,
    bounds: Bounds,
) -> Result<OpenedSession, RuntimeUnavailable> {
    let (zygote, zygotes) = (zygotes.zygote(), Arc::new(zygotes));
    // Also if a process is there: if that stands still, the zygote is asked for another one.
    zygote.watch();
    if let Some(waiting) = zygote.take_waiting(&spec.policy.limits) {
        let (worker, bounds) = (worker.clone(), bounds.clone());
        let opened = prepare(waiting, &zygotes, spec.clone(), worker, bounds).await;
        // A process that died while it waited does not matter to the caller.
        if opened.is_ok() || !zygote.is_alive() {
            return opened;
        }
    }
    let forked = zygote.fork_session().map_err(|error| RuntimeUnavailable {
        reason: error.to_string(),
    })?;
    prepare(forked, &zygotes, spec, worker, bounds).await
}

/// Prepares a process for a session.
async fn prepare(
    process: ForkedProcess,
    zygotes: &Arc<ZygoteHandle>,
    spec: SessionSpec,
    worker: WorkerCommand,
    bounds: Bounds,
) -> Result<OpenedSession, RuntimeUnavailable> {
    let unavailable = |reason: String| RuntimeUnavailable { reason };
    let number = process.number;
    let (checkpoints, _, theirs) =
        daemon_end::pair(MAX_FROM_QUERY_BYTES).map_err(|error| unavailable(error.to_string()))?;
    let seed = Arc::new(SessionSeed::new(&spec, theirs));
    let replay_log = Arc::<ReplayLog>::default();
    let queries = Arc::new(QueryClient::new(
        checkpoints,
        Arc::clone(zygotes),
        number,
        Arc::clone(&seed),
        Arc::clone(&replay_log),
    ));
    let (commands, received_commands) = mpsc::unbounded_channel();
    let (closing, is_closing) = watch::channel(false);
    let (ready, is_ready) = oneshot::channel();
    let (say_ended, ended) = oneshot::channel();
    let (set_gone, gone) = watch::channel(false);
    let session = Session {
        commands,
        closing,
        zygotes: Arc::clone(zygotes),
        number,
        gone,
        queries: Arc::clone(&queries),
    };
    let broker = host_modules::broker(
        Arc::clone(&spec.policy),
        Arc::clone(&spec.worktree),
        worker,
        bounds,
    );
    let actor = SessionActor::new(ActorParts {
        process,
        zygotes: Arc::clone(zygotes),
        broker,
        commands: received_commands,
        closing: is_closing,
        ready,
        seed,
        replay_log,
        queries,
    });
    // A new socket takes a message at once, unless the message is large and the process stands
    // still: then it is never ready.
    let _ = tokio::time::timeout(OPEN_TIMEOUT, actor.set_up()).await;
    tokio::spawn(async move {
        let reason = actor.serve().await.to_string();
        // The owner of the session may have given up on it.
        let _ = set_gone.send(true);
        let _ = say_ended.send(SessionEnd { reason });
    });
    match tokio::time::timeout(OPEN_TIMEOUT, is_ready).await {
        Ok(Ok(())) => {
            zygotes.zygote().fork_ahead();
            Ok(OpenedSession {
                session: Arc::new(session),
                ended,
            })
        }
        Ok(Err(_)) => Err(unavailable(match ended.await {
            Ok(end) => end.reason,
            Err(_) => "its supervisor failed".into(),
        })),
        // The handle is dropped, which closes the session.
        Err(_) => Err(unavailable("it was not ready in time".into())),
    }
}

impl RuntimeSession for Session {
    fn run(&self, execution_id: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate> {
        let (updates, receiver) = mpsc::channel(UPDATE_QUEUE);
        // If the actor is gone the sender is dropped, which the receiver sees.
        let _ = self.commands.send(Command::Run {
            execution_id,
            request,
            updates,
        });
        receiver
    }

    fn cancel(&self, execution_id: Uuid) {
        // If the actor is gone, so is the run.
        let _ = self.commands.send(Command::Cancel(execution_id));
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>> {
        Box::pin(self.queries.ask(query))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closing.send_replace(true);
            // The zygote is told, too: the actor may wait for a session process that takes no
            // message.
            self.zygotes.zygote().close(self.number);
            let mut gone = self.gone.clone();
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}
