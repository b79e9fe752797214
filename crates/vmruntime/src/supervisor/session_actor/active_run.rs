//! The run of a session that is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, RunUpdate};

use crate::ipc::{Death, DeathCause, HELPER_TIMEOUT, ToSession};
use crate::supervisor::recovery::failover::RunProgress;

/// How long after the wall limit a run is killed from the daemon: its process is stopped then, or
/// the kernel's clock does not reach it.
const OVERDUE_AFTER: Duration = Duration::from_millis(250);

/// How much longer the commit of a run may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a run is handed to a session process before it is given up.
const MAX_SENDS: u32 = 3;

/// How long a killed process may take to die, and its checkpoint to be promoted: a zygote that does
/// not answer is replaced before.
const DEATH_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// Why the daemon had a run killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillReason {
    /// It had passed its wall limit.
    Overdue,
    /// A client cancelled it.
    Cancelled,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It has been handed to the session process.
    Sent,
    /// The session process has begun it.
    Begun,
    /// The script has ended by itself.
    Ended,
    /// The session's committed state holds it.
    Committed,
}

/// A run whose result has not been sent.
pub(super) struct ActiveRun {
    /// Its number, ascending within the session.
    pub(super) number: u64,
    pub(super) execution_id: Uuid,
    pub(super) updates: mpsc::Sender<RunUpdate>,
    /// The request, until the session process has begun it: a process that died before can have
    /// done nothing, and the next generation is given it. The request of a run that may be logged
    /// is kept to the end.
    pub(super) request: Option<Arc<RunRequest>>,
    /// Whether the replay log has room for it.
    pub(super) may_log: bool,
    pub(super) limits: Limits,
    pub(super) stage: Stage,
    /// How often the request has been sent.
    sends: u32,
    /// When the kernel's clock must have ended it.
    overdue_at: Instant,
    /// Why and when the daemon had it killed; `None` if it had not.
    pub(super) kill: Option<(KillReason, Instant)>,
    /// Whether the recorder knows that the run calls host modules.
    pub(super) announced: bool,
    /// Since when its clock stands still; `None` while it runs.
    paused_at: Option<Instant>,
    /// The host call that is being carried out.
    pub(super) call: Option<JoinHandle<()>>,
}

impl ActiveRun {
    /// A run that is being handed to the session process for the first time.
    pub(super) fn new(
        number: u64,
        execution_id: Uuid,
        request: Arc<RunRequest>,
        may_log: bool,
        updates: mpsc::Sender<RunUpdate>,
    ) -> Self {
        Self {
            number,
            execution_id,
            updates,
            limits: request.limits,
            overdue_at: Instant::now()
                + Duration::from_millis(request.limits.wall_ms)
                + OVERDUE_AFTER,
            request: Some(request),
            may_log,
            stage: Stage::Sent,
            sends: 1,
            kill: None,
            announced: false,
            paused_at: None,
            call: None,
        }
    }

    /// The session process has begun it.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Begun;
        if !self.may_log {
            self.request = None;
        }
    }

    /// How far it is, for the judgement of a promotion.
    pub(super) fn progress(&self) -> RunProgress {
        match self.stage {
            Stage::Sent | Stage::Begun => RunProgress::UnderWay,
            Stage::Ended => RunProgress::Ended,
            Stage::Committed => RunProgress::Committed,
        }
    }

    /// The message that hands the run to another process, if the one that died like this had not
    /// begun it and was not killed by the run itself; `None` if the run is to be rolled back.
    pub(super) fn send_again(&mut self, death: &Death) -> Option<ToSession> {
        let may_be_sent = death.cause == DeathCause::KILLED
            && self.kill.is_none()
            && self.stage == Stage::Sent
            && self.sends < MAX_SENDS;
        let request = self.request.as_ref().filter(|_| may_be_sent)?;
        self.sends += 1;
        Some(ToSession::Run {
            run: self.number,
            request: Arc::clone(request),
            may_log: self.may_log,
        })
    }

    /// Its process is gone, and another one may have to run it: until then the clock stands still.
    pub(super) fn lose_process(&mut self) {
        self.pause_clock();
        // The roll-back waits until the call has ended.
        if let Some(call) = &self.call {
            call.abort();
        }
    }

    /// Notes that the wall limit ended it, if that has passed: for a process whose death was not
    /// reported.
    pub(super) fn judge_by_clock(&mut self) {
        let now = Instant::now();
        if self.paused_at.is_none() && now + OVERDUE_AFTER >= self.overdue_at {
            self.kill.get_or_insert((KillReason::Overdue, now));
        }
    }

    /// Stops the clock while the run waits for the disk, which does not count as its own time.
    pub(super) fn pause_clock(&mut self) {
        self.paused_at.get_or_insert_with(Instant::now);
    }

    /// Starts the clock again, if it stands still.
    pub(super) fn resume_clock(&mut self) {
        if let Some(since) = self.paused_at.take() {
            self.overdue_at += since.elapsed();
        }
    }
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        // The work of a host module for a run ends with the run.
        if let Some(call) = &self.call {
            call.abort();
        }
    }
}

/// Waits until the kernel must have ended a run; if the run was killed, until its process must be
/// dead. Waits for ever without a run.
pub(super) async fn overdue(run: Option<&ActiveRun>) {
    let Some(run) = run else {
        return std::future::pending().await;
    };
    let at = match run.kill {
        Some((_, at)) => at + DEATH_TIMEOUT,
        None if run.paused_at.is_some() => return std::future::pending().await,
        None if run.stage >= Stage::Ended => run.overdue_at + COMMIT_TIMEOUT,
        None => run.overdue_at,
    };
    tokio::time::sleep_until(at.into()).await;
}
