//! The run that is under way in a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, RunUpdate};

use crate::ipc::{Death, DeathCause, HELPER_TIMEOUT, ToSession};
use crate::supervisor::recovery::failover::RunProgress;

/// How long after its wall limit the daemon kills a run. A run lives that long only if its process
/// is stopped or has switched its timer off.
const OVERDUE_AFTER: Duration = Duration::from_millis(250);

/// How long after that the commit of a run may still take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a run is sent to a session process before it is rolled back.
const MAX_SENDS: u32 = 3;

/// How long a killed process may take to die, and its checkpoint to be promoted. It is longer than
/// [`HELPER_TIMEOUT`], so that a zygote that does not answer is detected first.
const DEATH_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// Why the daemon had a run killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillReason {
    /// The run had passed its wall limit.
    Overdue,
    /// A client cancelled the run.
    Cancelled,
}

/// The stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The run was sent to the session process.
    Sent,
    /// The session process has begun the run.
    Begun,
    /// The script has ended by itself.
    Ended,
    /// The session's committed state holds the run.
    Committed,
}

/// A run whose result has not been sent.
pub(super) struct ActiveRun {
    /// The run's number, ascending within the session.
    pub(super) number: u64,
    pub(super) execution_id: Uuid,
    pub(super) updates: mpsc::Sender<RunUpdate>,
    /// The request, for the next generation if the process dies before it has begun the run. `None`
    /// once the run has begun, unless the run may be logged: then the request is kept for the
    /// replay log.
    pub(super) request: Option<Arc<RunRequest>>,
    /// Whether the replay log had room for the run when it was sent.
    pub(super) may_log: bool,
    pub(super) limits: Limits,
    pub(super) stage: Stage,
    /// How often the request has been sent.
    sends: u32,
    /// When the timers of the kernel must have ended the run.
    overdue_at: Instant,
    /// Why and when the daemon ordered the death of the run's process; `None` if it did not.
    pub(super) kill: Option<(KillReason, Instant)>,
    /// Whether the recorder was told that the run calls host modules.
    pub(super) announced: bool,
    /// When the run's clock was paused; `None` while it runs.
    paused_at: Option<Instant>,
    /// The task that carries out the newest host call; `None` before the first one.
    pub(super) call: Option<JoinHandle<()>>,
}

impl ActiveRun {
    /// A run that is about to be sent to the session process for the first time.
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

    /// Records that the session process has begun the run.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Begun;
        if !self.may_log {
            self.request = None;
        }
    }

    /// The progress of the run, for the judgement of a promotion.
    pub(super) fn progress(&self) -> RunProgress {
        match self.stage {
            Stage::Sent | Stage::Begun => RunProgress::UnderWay,
            Stage::Ended => RunProgress::Ended,
            Stage::Committed => RunProgress::Committed,
        }
    }

    /// The message that sends the run to another process, after one died as `death` says. Returns
    /// `None` if the run must be rolled back: its process had begun it, died of itself or was
    /// killed because of the run, or the run was sent [`MAX_SENDS`] times already.
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

    /// Records that the process of the run died and that a new process is needed. The clock of the
    /// run is paused until there is one.
    pub(super) fn lose_process(&mut self) {
        self.pause_clock();
        // The roll-back waits until the call has ended.
        if let Some(call) = &self.call {
            call.abort();
        }
    }

    /// Records that the wall limit ended the run, if that limit has passed. It is for a process
    /// whose death was not reported.
    pub(super) fn judge_by_clock(&mut self) {
        let now = Instant::now();
        if self.paused_at.is_none() && now + OVERDUE_AFTER >= self.overdue_at {
            self.kill.get_or_insert((KillReason::Overdue, now));
        }
    }

    /// Pauses the clock. The time in which the run waits for the disk or for a process does not
    /// count as its own.
    pub(super) fn pause_clock(&mut self) {
        self.paused_at.get_or_insert_with(Instant::now);
    }

    /// Resumes the clock if it is paused.
    pub(super) fn resume_clock(&mut self) {
        if let Some(since) = self.paused_at.take() {
            self.overdue_at += since.elapsed();
        }
    }
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        // The work that a host module does for a run ends with the run.
        if let Some(call) = &self.call {
            call.abort();
        }
    }
}

/// Waits until the kernel must have ended the run; if the daemon had the run killed, until its
/// process must be dead. Never returns if there is no run, or while the run's clock is paused.
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
