//! The calls of a session to files, carried out one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use vmcontrol::runtime::BoxFuture;

use super::operations::Operations;
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::module::{Reply, RunOutcome, SessionModule};
use crate::host_modules::broker::reply::blocking;
use crate::host_modules::broker::session_context::SessionContext;
use crate::ipc::{HostCall, HostReply};

/// How long a roll-back waits for the end of a call that was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The files of one session. A call can't be aborted on the thread that carries it out: a flag
/// tells it to stop, and the roll-back waits for that.
pub(super) struct Files {
    context: Arc<SessionContext>,
    /// Held while a call is carried out.
    busy: Arc<Mutex<()>>,
    /// Whether the current call must stop.
    stop: Arc<AtomicBool>,
}

impl Files {
    /// The module for one session.
    pub(super) fn new(context: &Arc<SessionContext>) -> Self {
        Self {
            context: Arc::clone(context),
            busy: Arc::default(),
            stop: Arc::default(),
        }
    }

    /// Carries a call out. Dropping the future does not end the call; it continues until it is told
    /// to stop.
    async fn carry_out(&self, call: HostCall, answering: Answering) -> HostReply {
        let busy = Arc::clone(&self.busy).lock_owned().await;
        // Every earlier call has ended, because this call holds the lock.
        self.stop.store(false, Ordering::Relaxed);
        let (context, stop) = (Arc::clone(&self.context), Arc::clone(&self.stop));
        blocking(move || {
            let _busy = busy;
            let files = context.worktree.scoped(&context.policy.grants.fs);
            let operations = Operations {
                files: files.until(&stop).within(&context.allowance),
                template: context.policy.template_id.to_string(),
                memory: &context.memory,
                answering: &answering,
            };
            operations.carry_out(&call)
        })
        .await
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl SessionModule for Files {
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self.carry_out(call, answering.clone()).await.into() })
    }

    fn run_ended(&self, outcome: RunOutcome) {
        if outcome == RunOutcome::RolledBack {
            self.stop();
        }
    }

    /// Waits until the call has stopped. A disk that does not answer is given up after
    /// [`STOP_TIMEOUT`].
    fn rolled_back(&self) -> Option<BoxFuture<'_, ()>> {
        Some(Box::pin(async {
            let stopped = tokio::time::timeout(STOP_TIMEOUT, self.busy.lock()).await;
            if stopped.is_err() {
                tracing::warn!("a call of a rolled-back execution to the module fs does not stop");
            }
        }))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.stop();
    }
}
