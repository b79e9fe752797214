//! Opening a session, and the handle of a live session.

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

/// How many updates of a run may wait for the recorder before the session process has to wait. An
/// update of up to one datagram takes no room in the memory budget.
const UPDATE_QUEUE: usize = 64;

/// How long the fork and the set-up of a session process may take. It is longer than
/// [`HELPER_TIMEOUT`], so that a zygote that does not answer is detected first.
const OPEN_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_millis(500));

/// The handle of a live session. When it is dropped the session is closed.
struct Session {
    commands: mpsc::UnboundedSender<Command>,
    /// Closes the session when it is set to `true`, and when it is dropped.
    closing: watch::Sender<bool>,
    zygotes: Arc<ZygoteHandle>,
    /// The zygote's number for the session.
    number: u64,
    /// Whether all processes of the session have ended.
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
    // The watchdog is armed also if a process was forked ahead: that process may be stopped
    // together with its zygote.
    zygote.watch();
    if let Some(waiting) = zygote.take_waiting(&spec.policy.limits) {
        let (worker, bounds) = (worker.clone(), bounds.clone());
        let opened = prepare(waiting, &zygotes, spec.clone(), worker, bounds).await;
        // The process forked ahead may have died while it waited: the caller gets another one.
        if opened.is_ok() || !zygote.is_alive() {
            return opened;
        }
    }
    let forked = zygote.fork_session().map_err(|error| RuntimeUnavailable {
        reason: error.to_string(),
    })?;
    prepare(forked, &zygotes, spec, worker, bounds).await
}

/// Sets a forked process up for a session, and starts the session's actor.
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
    // A new socket takes a message at once. It does not if the message is large and the process is
    // stopped; then the wait below times out.
    let _ = tokio::time::timeout(OPEN_TIMEOUT, actor.set_up()).await;
    tokio::spawn(async move {
        let reason = actor.serve().await.to_string();
        // The receivers may be dropped: the owner does not wait for the session any more.
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
        // Dropping the handle closes the session.
        Err(_) => Err(unavailable("it was not ready in time".into())),
    }
}

impl RuntimeSession for Session {
    fn run(&self, execution_id: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate> {
        let (updates, receiver) = mpsc::channel(UPDATE_QUEUE);
        // If the actor has ended, this drops `updates`, and the receiver gets the end of the
        // channel.
        let _ = self.commands.send(Command::Run {
            execution_id,
            request,
            updates,
        });
        receiver
    }

    fn cancel(&self, execution_id: Uuid) {
        // If the actor has ended, the run has ended too.
        let _ = self.commands.send(Command::Cancel(execution_id));
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>> {
        Box::pin(self.queries.ask(query))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closing.send_replace(true);
            // The zygote kills the processes as well, because the actor may wait for a session
            // process that takes no message.
            self.zygotes.zygote().close(self.number);
            let mut gone = self.gone.clone();
            let _ = gone.wait_for(|gone| *gone).await;
        })
    }
}
