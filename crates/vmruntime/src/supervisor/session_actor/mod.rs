//! The actor of one live session: a task that alone talks with the session process and decides what
//! becomes of each run.
//!
//! The actor reads three sources:
//!
//! - the session's socket, to which all generations of the session process write, in order,
//! - the events of the session's process group, which the zygote sends on another socket: deaths,
//!   refused forks, the end of the zygote,
//! - the commands of the session's owner, and the steps of host calls.
//!
//! [`recovery`](super::recovery) explains how the actor joins the first two when a process dies.
//! While no process has the committed state, the actor leaves commands and host steps in their
//! queues.

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

/// The parts that an actor is made of.
pub(super) struct ActorParts {
    pub(super) process: ForkedProcess,
    pub(super) zygotes: Arc<ZygoteHandle>,
    pub(super) broker: Broker,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Becomes true, or loses its sender, when the session is to be closed.
    pub(super) closing: watch::Receiver<bool>,
    /// Is sent to when the session is ready.
    pub(super) ready: oneshot::Sender<()>,
    pub(super) seed: Arc<SessionSeed>,
    pub(super) replay_log: Arc<ReplayLog>,
    pub(super) queries: Arc<QueryClient>,
}

/// The actor of a session.
pub(super) struct SessionActor {
    process: SessionProcess,
    zygotes: Arc<ZygoteHandle>,
    /// The zygote that `process` was forked from.
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
    /// The committed runs that the checkpoint, or a respawned process, lacks.
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

    /// Sends the set-up to the session process.
    pub(super) async fn set_up(&self) {
        let Some(seed) = self.phase.seed() else {
            return;
        };
        if let Err(error) = seed.set_up(&self.process.sender).await {
            // The death of the process is reported as well.
            tracing::debug!(session = self.process.number, %error, "a session process can't be set up");
        }
    }

    /// Serves the session until it ends, and waits for the end of its processes. Returns why the
    /// session ended.
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

    /// Sends a message to the session process. A failure needs no handling: if the process is dead,
    /// its death is reported. If the process takes no message, sending ends at the latest when the
    /// run is overdue.
    async fn send(&self, message: &ToSession) {
        let sent = tokio::select! {
            // In most cases the socket has room, and no timer is needed.
            biased;
            sent = self.process.send(message) => sent,
            () = overdue(self.run.as_ref()) => return,
        };
        if let Err(error) = sent {
            tracing::debug!(session = self.process.number, %error, "a session process takes no message");
        }
    }
}

/// Waits until the session is to be closed: its owner has closed it or has dropped its handle.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits until that time; never returns for `None`.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
