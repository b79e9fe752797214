//! The actor of one live session: it talks with the session process, is told by the zygote of
//! deaths, and says what becomes of each run.
//!
//! All generations of a session process share one socket, in which messages keep their order. The
//! reports of the zygote come on another one. How the two are brought together when a process dies
//! is in [`recovery`](super::recovery).

mod active_run;
pub(super) mod command;
mod commit;
mod end;
mod host_calls;
mod host_step;
mod losses;
mod messages;
mod process;
mod promotion;
mod restart;
mod runs;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use self::active_run::{ActiveRun, overdue};
use self::command::Command;
use self::host_step::HostStep;
use self::losses::Losses;
use self::process::SessionProcess;
use super::end_reason::EndReason;
use super::query::QueryClient;
use super::recovery::failover::Failovers;
use super::recovery::phase::{PROMOTION_TIMEOUT, Phase};
use super::recovery::replay_log::ReplayLog;
use super::recovery::respawn::Respawn;
use super::recovery::session_seed::SessionSeed;
use super::zygote::{ForkedProcess, Zygote};
use super::zygote_handle::ZygoteHandle;
use crate::host_modules::Broker;
use crate::ipc::{FromSession, ToSession};

/// What an actor is made of.
pub(super) struct ActorParts {
    pub(super) process: ForkedProcess,
    pub(super) zygotes: Arc<ZygoteHandle>,
    pub(super) broker: Broker,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// True, or at its end, once the session is to be closed.
    pub(super) closing: watch::Receiver<bool>,
    /// Takes the news that the session is ready.
    pub(super) ready: oneshot::Sender<()>,
    pub(super) seed: Arc<SessionSeed>,
    pub(super) replay_log: Arc<ReplayLog>,
    pub(super) queries: Arc<QueryClient>,
}

/// The actor of a session.
pub(super) struct SessionActor {
    process: SessionProcess,
    zygotes: Arc<ZygoteHandle>,
    /// The zygote that the process was forked from.
    zygote: Arc<Zygote>,
    broker: Arc<Broker>,
    commands: mpsc::UnboundedReceiver<Command>,
    closing: watch::Receiver<bool>,
    host_steps: mpsc::UnboundedReceiver<HostStep>,
    step_sender: mpsc::UnboundedSender<HostStep>,
    /// How many runs the session's committed state holds.
    commits: u64,
    /// The run that is under way; `None` while the session is idle.
    run: Option<ActiveRun>,
    /// The number of the next run.
    next_run: u64,
    phase: Phase,
    failovers: Failovers,
    losses: Losses,
    /// The runs that the checkpoint, or a respawned process, lacks of the committed state.
    replay_log: Arc<ReplayLog>,
    queries: Arc<QueryClient>,
}

impl SessionActor {
    /// The actor of a session whose first process is being forked.
    pub(super) fn new(parts: ActorParts) -> Self {
        let (step_sender, host_steps) = mpsc::unbounded_channel();
        Self {
            process: SessionProcess::first(parts.process),
            zygote: parts.zygotes.zygote(),
            zygotes: parts.zygotes,
            broker: Arc::new(parts.broker),
            commands: parts.commands,
            closing: parts.closing,
            host_steps,
            step_sender,
            commits: 0,
            run: None,
            next_run: 1,
            phase: Phase::Opening {
                seed: parts.seed,
                ready: parts.ready,
            },
            failovers: Failovers::default(),
            losses: Losses::default(),
            replay_log: parts.replay_log,
            queries: parts.queries,
        }
    }

    /// Sets the session process up.
    pub(super) async fn set_up(&self) {
        let Some(seed) = self.phase.seed() else {
            return;
        };
        if let Err(error) = seed.set_up(&self.process.sender).await {
            // Its death is reported, too.
            tracing::debug!(session = self.process.number, %error, "a session process can't be set up");
        }
    }

    /// Serves until every process of the session is gone. Returns why the session ended.
    pub(super) async fn serve(mut self) -> EndReason {
        loop {
            if let Err(reason) = self.step().await {
                return self.end(reason).await;
            }
        }
    }

    /// Waits for the next event of the session, and handles it.
    ///
    /// # Errors
    /// When the session ends.
    async fn step(&mut self) -> Result<(), EndReason> {
        let accepts_work = self.phase.accepts_work();
        tokio::select! {
            received = self.process.receiver.receive::<FromSession>() => match received {
                Ok(Some(received)) => self.on_message(received).await,
                Ok(None) => self.on_channel_end().await,
                Err(error) => Err(EndReason::Malformed(error)),
            },
            Some(event) = self.process.events.recv() => self.on_process_event(event).await,
            () = closed(&mut self.closing) => Err(EndReason::Closed),
            () = reached(self.phase.respawn().map(Respawn::due)) => Err(EndReason::ReplayOverdue),
            () = reached(self.phase.promotion_due()) => Err(EndReason::PromotionOverdue {
                timeout: PROMOTION_TIMEOUT,
                after: self.losses.process.take(),
            }),
            () = overdue(self.run.as_ref()), if accepts_work => self.end_overdue(),
            Some(step) = self.host_steps.recv(), if accepts_work => {
                self.on_host_step(step).await;
                Ok(())
            }
            Some(command) = self.commands.recv(), if accepts_work => {
                self.on_command(command).await;
                Ok(())
            }
        }
    }

    /// Sends a message to the session process. If that is dead, its checkpoint or the zygote will
    /// say so. If it stands still, the message waits no longer than until the run is to be ended.
    async fn send(&self, message: &ToSession) {
        let sent = tokio::select! {
            // In most cases there is room, and no clock is needed.
            biased;
            sent = self.process.send(message) => sent,
            () = overdue(self.run.as_ref()) => return,
        };
        if let Err(error) = sent {
            tracing::debug!(session = self.process.number, %error, "a session process takes no message");
        }
    }
}

/// Waits until a session is to be closed: that is said, or its handle is dropped.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits for that time; for ever, if it is `None`.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
