//! A run in the eyes of the session's actor.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunRequest, RunUpdate};

use crate::ipc::HELPER_TIMEOUT;

/// How long after the wall limit a run that still goes on is ended from here: its process is stopped, or the kernel's
/// clock does not reach it.
const OVERDUE_AFTER: Duration = Duration::from_millis(250);

/// How much longer the commit of a run may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a run is handed to a session process before it is given up.
pub(super) const MAX_SENDS: u32 = 3;

/// How long a process may take to die that was killed, and another one to take over: a zygote that does not answer is found
/// out before.
const DEATH_TIMEOUT: Duration = HELPER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// Why the daemon had a run killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It should have been dead by itself.
    Overdue,
    /// Somebody asked for it.
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

/// A run that has not been settled.
pub(super) struct ActiveRun {
    pub(super) id: u64,
    pub(super) execution_id: Uuid,
    pub(super) updates: mpsc::Sender<RunUpdate>,
    /// Kept until the session process has begun it: one that died before can have done nothing, and the next
    /// generation takes it. What may become a part of the redo log is kept to the end.
    pub(super) request: Option<RunRequest>,
    /// Whether the redo log has room for it.
    pub(super) may_log: bool,
    pub(super) limits: Limits,
    pub(super) stage: Stage,
    /// How often the request has been sent.
    pub(super) sent: u32,
    /// When the kernel's clock should have ended it long ago.
    pub(super) overdue_at: Instant,
    /// Why it was killed from here, and when, if it was.
    pub(super) stopped: Option<(Stopped, Instant)>,
    /// Whether the recorder knows that the run touches the world.
    pub(super) announced: bool,
    /// Since when its clock stands still, if it does.
    paused_at: Option<Instant>,
    pub(super) call: Option<JoinHandle<()>>,
}

impl ActiveRun {
    /// A run that is being handed to the session process for the first time.
    pub(super) fn new(
        id: u64,
        execution_id: Uuid,
        request: RunRequest,
        may_log: bool,
        updates: mpsc::Sender<RunUpdate>,
    ) -> Self {
        Self {
            id,
            execution_id,
            updates,
            limits: request.limits,
            overdue_at: Instant::now()
                + Duration::from_millis(request.limits.wall_ms)
                + OVERDUE_AFTER,
            request: Some(request),
            may_log,
            stage: Stage::Sent,
            sent: 1,
            stopped: None,
            announced: false,
            paused_at: None,
            call: None,
        }
    }

    /// Notes that the session process has begun it.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Begun;
        if !self.may_log {
            self.request = None;
        }
    }

    /// Notes that its process is gone, and that another one may have to run it: until then the clock stands still.
    pub(super) fn lose_process(&mut self) {
        self.pause_clock();
        // Whoever takes the run back waits until it is over.
        if let Some(call) = &self.call {
            call.abort();
        }
    }

    /// Notes that it was ended for its wall limit, if that has passed: for a process that died unreported.
    pub(super) fn judge_by_clock(&mut self) {
        let now = Instant::now();
        if self.paused_at.is_none() && now + OVERDUE_AFTER >= self.overdue_at {
            self.stopped.get_or_insert((Stopped::Overdue, now));
        }
    }

    /// Stops the clock, while the run waits for the disk: that is not time of its own.
    pub(super) fn pause_clock(&mut self) {
        self.paused_at.get_or_insert_with(Instant::now);
    }

    /// Has the clock go on, if it stands still.
    pub(super) fn resume_clock(&mut self) {
        if let Some(since) = self.paused_at.take() {
            self.overdue_at += since.elapsed();
        }
    }
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        // What a host module does for a run ends with it.
        if let Some(call) = &self.call {
            call.abort();
        }
    }
}

/// Waits until a run should have been ended by the kernel long ago; if it was killed, until that should have ended it.
pub(super) async fn overdue(run: Option<&ActiveRun>) {
    let Some(run) = run else {
        return std::future::pending().await;
    };
    let at = match run.stopped {
        Some((_, at)) => at + DEATH_TIMEOUT,
        None if run.paused_at.is_some() => return std::future::pending().await,
        None if run.stage >= Stage::Ended => run.overdue_at + COMMIT_TIMEOUT,
        None => run.overdue_at,
    };
    tokio::time::sleep_until(at.into()).await;
}
