//! The actor of one live session: speaks with its session process, hears of its deaths from the zygote, and says what
//! becomes of each run.
//!
//! All generations of a session process share one socket, in which messages keep their order: when a checkpoint says
//! that it took over, everything that the process before it sent has been read. The cause of the death comes from the
//! zygote, on another socket; a take-over is judged once both are there.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmcontrol::runtime::{
    Failure, FailureCode, Outcome, RunEnd, RunRequest, RunUpdate, RuntimeEvent, SessionEnd, Usage,
};

use super::death::{cancelled, cause_text, failure, wall_failure};
use super::run::{ActiveRun, MAX_SENDS, Stopped, overdue};
use super::session::Command;
use super::socket::{Received, Receiver, Sender};
use super::zygote::{News, Zygote};
use crate::broker::Broker;
use crate::protocol::{
    Death, DeathCause, FromSession, HostCall, HostError, HostReply, SessionSetup, ToSession,
};

/// How long the first checkpoint may take, once the session is ready.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(20);

/// The generation of the first session process.
const FIRST_GENERATION: u32 = 1;

/// What connects an actor to the rest.
pub(super) struct ActorParts {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) zygote: Arc<Zygote>,
    pub(super) number: u64,
    pub(super) news: mpsc::UnboundedReceiver<News>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) ready: oneshot::Sender<Result<(), String>>,
    /// For the session process: over this its checkpoints are asked.
    pub(super) asked_over: OwnedFd,
}

/// A checkpoint that became the session process.
struct TakeOver {
    generation: u32,
    commits: u64,
}

/// How far a host call is.
enum HostStep {
    /// The record of its execution is on disk: it may be carried out.
    Recorded(HostCall),
    /// It has been answered.
    Done(HostReply),
}

pub(super) struct Actor {
    sender: Sender,
    receiver: Receiver,
    zygote: Arc<Zygote>,
    number: u64,
    broker: Arc<Broker>,
    commands: mpsc::UnboundedReceiver<Command>,
    news: mpsc::UnboundedReceiver<News>,
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
    take_overs: VecDeque<TakeOver>,
    /// What is to be done once the first checkpoint has been made; nothing from then on. To cancel what was begun before it would
    /// end the session.
    early: Option<Vec<Command>>,
    /// When the first checkpoint should have been made, from when the session is ready until it has been.
    checkpoint_due: Option<Instant>,
    /// Whether a checkpoint died while something ran.
    checkpoint_lost: bool,
    ready: Option<oneshot::Sender<Result<(), String>>>,
    /// Until the session process has it.
    asked_over: Option<OwnedFd>,
}

/// What ends a session.
type Over = String;

impl Actor {
    /// For a session whose first process is being forked.
    pub(super) fn new(parts: ActorParts, broker: Broker) -> Self {
        let (step_sender, host_steps) = mpsc::unbounded_channel();
        Self {
            sender: parts.sender,
            receiver: parts.receiver,
            zygote: parts.zygote,
            number: parts.number,
            broker: Arc::new(broker),
            commands: parts.commands,
            news: parts.news,
            host_steps,
            step_sender,
            generation: FIRST_GENERATION,
            commits: 0,
            run: None,
            next_run: 1,
            deaths: HashMap::new(),
            last_death: None,
            take_overs: VecDeque::new(),
            early: Some(Vec::new()),
            checkpoint_due: None,
            checkpoint_lost: false,
            ready: Some(parts.ready),
            asked_over: Some(parts.asked_over),
        }
    }

    /// Tells the session process what session it is for.
    pub(super) async fn set_up(&mut self, setup: SessionSetup) {
        let along = self.asked_over.take();
        self.tell_with(&ToSession::Setup(setup), along).await;
    }

    /// Serves until every process of the session is gone; returns why.
    pub(super) async fn serve(mut self) -> Over {
        let reason = loop {
            let step = tokio::select! {
                received = self.receiver.receive::<FromSession>() => match received {
                    Ok(Some(received)) => self.hear(received).await,
                    Ok(None) => Err(None),
                    Err(error) => Err(Some(format!("the session process spoke nonsense: {error}"))),
                },
                () = overdue(self.run.as_ref()) => self.end_overdue(),
                Some(news) = self.news.recv() => self.learn(news).await,
                Some((run, generation, step)) = self.host_steps.recv() => {
                    if generation == self.generation && self.active(run).is_some() {
                        self.go_on_with_call(step).await;
                    }
                    Ok(())
                }
                () = reached(self.checkpoint_due) => {
                    Err(Some("its first checkpoint was not made in time".into()))
                }
                command = self.commands.recv() => {
                    self.obey(command.unwrap_or(Command::Close)).await
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
        if let Some(run) = self.run.take() {
            let _ = run.updates.send(lost()).await;
        }
        for command in self.early.take().into_iter().flatten() {
            if let Command::Run(_, _, updates) = command {
                let _ = updates.send(lost()).await;
            }
        }
        reason
    }

    /// Does what is asked for, or keeps it until the first checkpoint has been made.
    async fn obey(&mut self, command: Command) -> Result<(), Option<Over>> {
        match (command, &mut self.early) {
            (Command::Close, _) => return Err(Some("the session was closed".into())),
            (command, Some(early)) => early.push(command),
            (Command::Run(execution_id, request, updates), None) => {
                self.start_run(execution_id, request, updates).await;
            }
            (Command::Cancel(execution_id), None) => self.cancel(execution_id),
        }
        Ok(())
    }

    /// Notes that there is a checkpoint, and begins what had to wait for the first.
    async fn note_checkpoint(&mut self) -> Result<(), Option<Over>> {
        self.checkpoint_due = None;
        for command in self.early.take().into_iter().flatten() {
            self.obey(command).await?;
        }
        Ok(())
    }

    /// Kills what is left of the session and waits until the zygote has reaped it.
    async fn end(&mut self, reason: Option<Over>) -> Over {
        self.zygote.close(self.number);
        let mut zygote_reason = None;
        while let Some(news) = self.news.recv().await {
            match news {
                News::Ended => break,
                News::Died(death) => {
                    self.last_death.get_or_insert(death);
                }
                News::ZygoteGone(reason) => {
                    zygote_reason = Some(format!("its worker process is gone: {reason}"));
                    break;
                }
                News::OpenFailed(reason) => {
                    zygote_reason = Some(reason);
                    break;
                }
            }
        }
        reason
            .or(zygote_reason)
            .or_else(|| self.last_death.as_ref().map(cause_text))
            .unwrap_or_else(|| "its processes ended".into())
    }

    /// Takes a message of the session process.
    async fn hear(&mut self, received: Received<FromSession>) -> Result<(), Option<Over>> {
        match received.message {
            FromSession::Ready { error } => {
                let outcome = error.clone().map_or(Ok(()), Err);
                if let Some(ready) = self.ready.take() {
                    let _ = ready.send(outcome);
                }
                if let Some(reason) = error {
                    return Err(Some(reason));
                }
                self.checkpoint_due = Some(Instant::now() + CHECKPOINT_TIMEOUT);
            }
            FromSession::Started { run } => {
                if let Some(active) = self.active(run) {
                    active.request = None;
                }
            }
            FromSession::Event { kind, payload } => {
                self.update(RunUpdate::Event(RuntimeEvent { kind, payload }))
                    .await;
            }
            FromSession::HostCall(call) => self.start_host_call(call),
            FromSession::Ended {
                run,
                threw,
                payload,
                usage,
            } => {
                let outcome = if threw {
                    Outcome::Exception(payload)
                } else {
                    Outcome::Value(payload)
                };
                self.end_run(run, outcome, usage).await;
            }
            FromSession::Committed { commits } => {
                self.commits = commits;
                self.note_checkpoint().await?;
                if let Some(run) = self.run.as_mut().filter(|run| run.has_ended) {
                    run.is_committed = true;
                    // If it was killed too late, that will hit this process all the same: nothing else begins before.
                    if run.stopped.is_none() {
                        self.settle(RunUpdate::Committed).await;
                    }
                }
            }
            FromSession::TookOver { commits } => {
                self.take_overs.push_back(TakeOver {
                    generation: received.generation,
                    commits,
                });
                return self.judge_take_overs().await;
            }
        }
        Ok(())
    }

    /// Takes a report of the zygote.
    async fn learn(&mut self, news: News) -> Result<(), Option<Over>> {
        match news {
            News::Died(death) => self.learn_of_death(death).await,
            News::Ended => Err(self.last_death.as_ref().map(cause_text)),
            News::OpenFailed(reason) => Err(Some(reason)),
            News::ZygoteGone(reason) => Err(Some(format!("its worker process is gone: {reason}"))),
        }
    }

    async fn learn_of_death(&mut self, death: Death) -> Result<(), Option<Over>> {
        if let Some(generation) = death.generation {
            tracing::debug!(session = self.number, ?death, "a session process died");
            self.last_death = Some(death.clone());
            self.deaths.insert(generation, death);
            return self.judge_take_overs().await;
        }
        // A checkpoint. A run that is under way ends with a new one; but it may have been just that one.
        self.checkpoint_lost = self.run.is_some();
        if !self.checkpoint_lost {
            self.tell(&ToSession::RenewCheckpoint).await;
        }
        Ok(())
    }

    /// Settles what each take-over means, once the death before it is known.
    async fn judge_take_overs(&mut self) -> Result<(), Option<Over>> {
        while let Some(take_over) = self.take_overs.front() {
            let Some(death) = self.deaths.remove(&(take_over.generation - 1)) else {
                return Ok(());
            };
            let (generation, commits) = (take_over.generation, take_over.commits);
            self.take_overs.pop_front();
            self.generation = generation;
            self.take_over(commits, &death).await?;
            self.note_checkpoint().await?;
        }
        Ok(())
    }

    async fn take_over(&mut self, commits: u64, death: &Death) -> Result<(), Option<Over>> {
        let run_is_in = self.run.as_ref().is_some_and(|run| run.has_ended);
        let is_committed = self.run.as_ref().is_some_and(|run| run.is_committed);
        if (run_is_in && commits == self.commits + 1) || (is_committed && commits == self.commits) {
            // It died after its commit, or between that and the news of it.
            self.commits = commits;
            self.settle(RunUpdate::Committed).await;
            return Ok(());
        }
        if commits != self.commits {
            return Err(Some(format!(
                "its state is lost, because its process and its newest checkpoint died together: {}",
                cause_text(death)
            )));
        }
        if let Some((run, request)) = self.run_to_send_again(death) {
            self.tell(&ToSession::Run { run, request }).await;
        } else if let Some(run) = &self.run {
            let failure = match run.stopped {
                Some((Stopped::Overdue, _)) => wall_failure(death, &run.limits),
                Some((Stopped::Cancelled, _)) => cancelled(death),
                None => failure(death, &run.limits),
            };
            self.settle(RunUpdate::RolledBack(failure)).await;
        }
        Ok(())
    }

    /// A run that the dead process had not begun, if it can't be what killed it: somebody else did.
    fn run_to_send_again(&mut self, death: &Death) -> Option<(u64, RunRequest)> {
        let run = self.run.as_mut()?;
        let killed = death.cause == DeathCause::Signaled(libc::SIGKILL);
        if !killed || run.stopped.is_some() || run.sent >= MAX_SENDS {
            return None;
        }
        run.sent += 1;
        Some((run.id, run.request.clone()?))
    }

    /// Has that execution killed. One that has ended is left to its commit.
    fn cancel(&mut self, execution_id: Uuid) {
        if let Some(run) = &mut self.run
            && run.execution_id == execution_id
            && !run.has_ended
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
        self.run = Some(ActiveRun::new(run, execution_id, request.clone(), updates));
        self.tell(&ToSession::Run { run, request }).await;
    }

    async fn end_run(&mut self, run: u64, outcome: Outcome, usage: Usage) {
        if let Some(active) = self.active(run) {
            active.has_ended = true;
            self.update(RunUpdate::Ended(RunEnd { outcome, usage }))
                .await;
        }
    }

    /// Takes a host call. The first of a run waits until the run's record is on disk.
    fn start_host_call(&mut self, call: HostCall) {
        let Some(run) = &mut self.run else { return };
        if run.announced {
            self.carry_out(call);
            return;
        }
        run.announced = true;
        run.pause_clock();
        let (updates, steps) = (run.updates.clone(), self.step_sender.clone());
        let (number, generation) = (run.id, self.generation);
        run.call = Some(tokio::spawn(async move {
            let (go_on, recorded) = oneshot::channel();
            let _ = updates.send(RunUpdate::BeforeHostCall(go_on)).await;
            let step = match recorded.await {
                Ok(()) => HostStep::Recorded(call),
                Err(_) => HostStep::Done(Err(HostError::new(
                    "the execution can't be recorded, and so it may do nothing",
                ))),
            };
            let _ = steps.send((number, generation, step));
        }));
    }

    fn carry_out(&mut self, call: HostCall) {
        let Some(run) = &mut self.run else { return };
        let (broker, steps) = (Arc::clone(&self.broker), self.step_sender.clone());
        let (number, generation) = (run.id, self.generation);
        run.call = Some(tokio::spawn(async move {
            let reply = broker.call(call).await;
            let _ = steps.send((number, generation, HostStep::Done(reply)));
        }));
    }

    async fn go_on_with_call(&mut self, step: HostStep) {
        if let Some(run) = &mut self.run {
            run.resume_clock();
            if run.stopped.is_some() {
                // Its process is about to be dead, and it may do nothing more.
                return;
            }
        }
        match step {
            HostStep::Recorded(call) => self.carry_out(call),
            HostStep::Done(reply) => self.tell(&ToSession::HostReply(reply)).await,
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
    async fn settle(&mut self, update: RunUpdate) {
        if matches!(update, RunUpdate::RolledBack(_)) {
            // Before the news: whoever hears it may start the next run.
            self.broker.run_rolled_back();
        }
        self.update(update).await;
        self.run = None;
        if std::mem::take(&mut self.checkpoint_lost) {
            self.tell(&ToSession::RenewCheckpoint).await;
        }
    }

    /// Sends a message to the session process. If it is dead, its checkpoint or the zygote will say so.
    async fn tell(&self, message: &ToSession) {
        self.tell_with(message, None).await;
    }

    async fn tell_with(&self, message: &ToSession, along: Option<OwnedFd>) {
        let along = along.as_ref().map(AsRawFd::as_raw_fd);
        if let Err(error) = self.sender.send(self.generation, message, along).await {
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
