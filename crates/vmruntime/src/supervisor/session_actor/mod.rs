//! The actor of one live session: speaks with its session process, hears of its deaths from the zygote, and says what
//! becomes of each run.
//!
//! All generations of a session process share one socket, in which messages keep their order: when a checkpoint says
//! that it took over, everything that the process before it sent has been read. The cause of the death comes from the
//! zygote, on another socket; a take-over is judged once both are there.
//!
//! At first there is no checkpoint (`origin.rs`). A session whose process dies then is made once more, when all
//! has been read that the process sent.

mod commit;
mod failover;
mod host_calls;
mod loss;
mod respawn;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;
use vmcontrol::runtime::{
    Failure, FailureCode, Outcome, RunEnd, RunRequest, RunUpdate, RuntimeEvent, SessionEnd,
};

use failover::Promotion;
use host_calls::{HostStep, refusal};
use respawn::Respawn;

use crate::host_modules::Broker;
use crate::ipc::daemon_end::{Received, Receiver, Sender};
use crate::ipc::{Death, FromSession, ToSession};
use crate::supervisor::home::Home;
use crate::supervisor::recovery::replay_log::ReplayLog;
use crate::supervisor::recovery::session_seed::{FIRST_GENERATION, SessionSeed};
use crate::supervisor::run::{ActiveRun, Stage, Stopped, overdue};
use crate::supervisor::session::Command;
use crate::supervisor::stand_in::StandIn;
use crate::supervisor::zygote::{ProcessEvent, Zygote};

/// What connects an actor to the rest.
pub(super) struct ActorParts {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) home: Arc<Home>,
    pub(super) number: u64,
    pub(super) process_events: mpsc::UnboundedReceiver<ProcessEvent>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// Says so, or is at its end.
    pub(super) closing: watch::Receiver<bool>,
    pub(super) ready: oneshot::Sender<Result<(), String>>,
    pub(super) seed: SessionSeed,
    pub(super) replay_log: Arc<ReplayLog>,
}

pub(super) struct Actor {
    sender: Sender,
    receiver: Receiver,
    home: Arc<Home>,
    zygote: Arc<Zygote>,
    number: u64,
    broker: Arc<Broker>,
    commands: mpsc::UnboundedReceiver<Command>,
    closing: watch::Receiver<bool>,
    process_events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// What happens to host calls, with the number of the run and the generation of the process that wait for it.
    host_steps: mpsc::UnboundedReceiver<(u64, u32, HostStep)>,
    step_sender: mpsc::UnboundedSender<(u64, u32, HostStep)>,
    generation: u32,
    /// How many runs the session's committed state holds.
    commits: u64,
    run: Option<ActiveRun>,
    next_run: u64,
    deaths: HashMap<u32, Death>,
    last_death: Option<Death>,
    /// Why a process was not forked, the last time that one was not.
    refusal: Option<Over>,
    promotions: VecDeque<Promotion>,
    /// When the checkpoint should have taken over, if the session process is dead.
    promotion_due: Option<Instant>,
    has_checkpoint: bool,
    /// Whether a checkpoint died while something ran.
    checkpoint_lost: bool,
    /// How the checkpoint died, until there is another one.
    checkpoint_death: Option<Death>,
    /// Why the zygote is gone, until the session has moved to another one.
    zygote_loss: Option<Over>,
    ready: Option<oneshot::Sender<Result<(), String>>>,
    /// What the session is made of once more when it has no process; nothing once the redo log is not complete.
    seed: Option<SessionSeed>,
    /// What the checkpoint, or a session that is made once more, does not hold of the committed state.
    replay_log: Arc<ReplayLog>,
    /// Nothing is begun, and nothing goes on, while this is awaited.
    respawn: Option<Respawn>,
    stand_in: StandIn,
}

/// What ends a session.
type Over = String;

impl Actor {
    /// For a session whose first process is being forked.
    pub(super) fn new(parts: ActorParts, broker: Broker) -> Self {
        let stand_in = StandIn::of(parts.number);
        let (step_sender, host_steps) = mpsc::unbounded_channel();
        Self {
            sender: parts.sender,
            receiver: parts.receiver,
            zygote: parts.home.zygote(),
            home: parts.home,
            number: parts.number,
            broker: Arc::new(broker),
            commands: parts.commands,
            closing: parts.closing,
            process_events: parts.process_events,
            host_steps,
            step_sender,
            generation: FIRST_GENERATION,
            commits: 0,
            run: None,
            next_run: 1,
            deaths: HashMap::new(),
            last_death: None,
            refusal: None,
            promotions: VecDeque::new(),
            promotion_due: None,
            has_checkpoint: false,
            checkpoint_lost: false,
            checkpoint_death: None,
            zygote_loss: None,
            ready: Some(parts.ready),
            seed: Some(parts.seed),
            replay_log: parts.replay_log,
            respawn: None,
            stand_in,
        }
    }

    /// Tells the session process what session it is for.
    pub(super) async fn set_up(&self) {
        let Some(seed) = &self.seed else { return };
        if let Err(error) = seed.set_up(&self.sender).await {
            tracing::debug!(session = self.number, %error, "a session process can't be set up");
        }
    }

    /// Serves until every process of the session is gone; returns why.
    pub(super) async fn serve(mut self) -> Over {
        let reason = loop {
            let has_state = self.respawn.is_none();
            let step = tokio::select! {
                received = self.receiver.receive::<FromSession>() => match received {
                    Ok(Some(received)) => self.on_message(received).await,
                    Ok(None) => self.go_on_without_process().await,
                    Err(error) => Err(Some(format!("the session process spoke nonsense: {error}"))),
                },
                Some(process_events) = self.process_events.recv() => self.on_process_event(process_events).await,
                () = said(&mut self.closing) => Err(Some(closed())),
                () = reached(self.respawn.as_ref().map(|respawn| respawn.due)) => {
                    Err(Some("no process had its state in time".into()))
                }
                () = reached(self.promotion_due) => Err(Some(self.promotion_overdue())),
                () = overdue(self.run.as_ref()), if has_state => self.end_overdue(),
                Some((run, generation, step)) = self.host_steps.recv(), if has_state => {
                    if generation == self.generation && self.active(run).is_some() {
                        self.go_on_with_call(step).await;
                    }
                    Ok(())
                }
                Some(command) = self.commands.recv(), if has_state => {
                    self.on_command(command).await;
                    Ok(())
                }
            };
            match step {
                Ok(()) => {}
                Err(reason) => break reason,
            }
        };
        let reason = self.end(reason).await;
        let lost = || {
            RunUpdate::SessionLost(SessionEnd {
                reason: reason.clone(),
            })
        };
        if self.run.is_some() {
            self.take_back_call().await;
        }
        if let Some(run) = self.run.take() {
            let _ = run.updates.send(lost()).await;
        }
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Run(_, _, updates) = command {
                let _ = updates.send(lost()).await;
            }
        }
        reason
    }

    /// Does what is asked for.
    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Run(execution_id, request, updates) => {
                self.start_run(execution_id, request, updates).await;
            }
            Command::Cancel(execution_id) => self.cancel(execution_id),
            Command::BeAskable => {
                if let Some(seed) = &self.seed
                    && !self.has_checkpoint
                {
                    self.stand_in.be_there(&self.zygote, seed).await;
                }
            }
        }
    }

    /// Takes a message of the session process.
    async fn on_message(&mut self, received: Received<FromSession>) -> Result<(), Option<Over>> {
        match received.message {
            FromSession::Ready { error } => {
                let outcome = error.clone().map_or(Ok(()), Err);
                if let Some(ready) = self.ready.take() {
                    let _ = ready.send(outcome);
                }
                if let Some(reason) = error {
                    return Err(Some(reason));
                }
                return self.resume_respawned().await;
            }
            FromSession::Started { run } => {
                if let Some(active) = self.active(run) {
                    active.begin();
                }
            }
            FromSession::Event { kind, payload } => {
                let charge = received.charge;
                let event = RuntimeEvent {
                    kind,
                    payload,
                    charge,
                };
                self.update(RunUpdate::Event(event)).await;
            }
            FromSession::HostCall(call) => self.start_host_call(call, received.charge),
            FromSession::RefusedHostCall => self.send(&refusal()).await,
            FromSession::Ended {
                run,
                threw,
                payload,
                usage,
                trace,
            } => {
                let outcome = if threw {
                    Outcome::Exception(payload)
                } else {
                    Outcome::Value(payload)
                };
                let end = RunEnd {
                    outcome,
                    usage,
                    charge: received.charge,
                };
                self.end_run(run, end).await;
                if let Some(trace) = trace {
                    self.log_run(run, trace, usage)?;
                    self.commit_run().await;
                }
            }
            FromSession::Committed { commits } => {
                if commits < self.commits {
                    return Err(Some("its newest state is lost".into()));
                }
                self.note_checkpoint(commits);
                if self.respawn.is_some() {
                    return self.go_on_with_state().await;
                }
                self.commit_run().await;
            }
            FromSession::Promoted { commits } => {
                self.promotions.push_back(Promotion {
                    generation: received.generation,
                    commits,
                });
                return self.judge_promotions().await;
            }
        }
        Ok(())
    }

    /// Takes a report of the zygote.
    async fn on_process_event(&mut self, process_events: ProcessEvent) -> Result<(), Option<Over>> {
        match process_events {
            ProcessEvent::Died(death) => self.on_death(death).await,
            ProcessEvent::OpenFailed(reason) => {
                self.refusal = Some(reason);
                Ok(())
            }
            // What the last process sent may not have been read yet. The end of the stream comes after that.
            ProcessEvent::Ended => Ok(()),
            ProcessEvent::ZygoteGone(reason) => {
                self.zygote_loss = Some(reason);
                self.check_move()
            }
        }
    }

    /// Has that execution killed. One that has ended is left to its commit.
    fn cancel(&mut self, execution_id: Uuid) {
        if let Some(run) = &mut self.run
            && run.execution_id == execution_id
            && run.stage < Stage::Ended
            && run.stopped.is_none()
        {
            run.stopped = Some((Stopped::Cancelled, Instant::now()));
            self.zygote.interrupt(self.number, self.generation);
        }
    }

    /// Has the run killed that should have been dead by itself. A session that survives that is ended as a whole.
    fn end_overdue(&mut self) -> Result<(), Option<Over>> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        if run.stopped.is_some() {
            return Err(Some("its process could not be stopped".into()));
        }
        run.stopped = Some((Stopped::Overdue, Instant::now()));
        self.zygote.interrupt(self.number, self.generation);
        Ok(())
    }

    async fn start_run(
        &mut self,
        execution_id: Uuid,
        request: RunRequest,
        updates: mpsc::Sender<RunUpdate>,
    ) {
        if self.run.is_some() {
            // The caller runs one thing at a time; this is a bug of its own, and must not disturb what runs.
            let failure = Failure {
                code: FailureCode::RuntimeCrashed,
                message: "the session was asked to run two things at once".into(),
                usage: None,
            };
            let _ = updates.send(RunUpdate::RolledBack(failure)).await;
            return;
        }
        let run = self.next_run;
        self.next_run += 1;
        let may_log = self.replay_log.has_room_for(&request);
        let message = ToSession::run(run, &request, may_log);
        let active = ActiveRun::new(run, execution_id, request, may_log, updates);
        self.run = Some(active);
        self.send(&message).await;
    }

    async fn end_run(&mut self, run: u64, end: RunEnd) {
        if let Some(active) = self.active(run) {
            active.stage = Stage::Ended;
            self.update(RunUpdate::Ended(end)).await;
        }
    }

    fn active(&mut self, run: u64) -> Option<&mut ActiveRun> {
        self.run.as_mut().filter(|active| active.id == run)
    }

    /// Hands an update on; waits while the recorder is slow.
    async fn update(&mut self, update: RunUpdate) {
        if let Some(run) = &self.run {
            // A recorder that failed has answered already; the run goes on to its end.
            let _ = run.updates.send(update).await;
        }
    }

    /// Hands the last update on.
    async fn finish_run(&mut self, update: RunUpdate) {
        // Before the news: whoever hears it may start the next run.
        if matches!(update, RunUpdate::RolledBack(_)) {
            self.take_back_call().await;
        } else {
            self.broker.run_kept();
        }
        self.update(update).await;
        self.run = None;
        if std::mem::take(&mut self.checkpoint_lost) {
            self.send(&ToSession::RenewCheckpoint).await;
        }
    }

    /// Takes back what a host module has in hand for the run, and waits until it has.
    async fn take_back_call(&mut self) {
        if let Some(call) = self.run.as_mut().and_then(|run| run.call.take()) {
            call.abort();
            // That is its outcome.
            let _ = call.await;
        }
        self.broker.run_taken_back().await;
    }

    /// Sends a message to the session process. If it is dead, its checkpoint or the zygote will say so. If it stands still it is
    /// sent no more than it takes until the run is to be ended.
    async fn send(&self, message: &ToSession) {
        let sent = tokio::select! {
            // In most cases there is room, and no clock is needed.
            biased;
            sent = self.sender.send(self.generation, message, None) => sent,
            () = overdue(self.run.as_ref()) => return,
        };
        if let Err(error) = sent {
            tracing::debug!(session = self.number, %error, "a session process can't be told");
        }
    }
}

/// Waits for that time; for ever, if there is none.
async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits until that is said, or nobody is left to say it.
async fn said(what: &mut watch::Receiver<bool>) {
    let _ = what.wait_for(|said| *said).await;
}

fn closed() -> Over {
    "the session was closed".into()
}
