//! The service as a whole, without its transport: opening and recovering, stopping, what it shares.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, watch};
use vmapi_types::{RuntimeSummary, Sandbox, SessionStatus, Timestamp};

use crate::budget::{ANSWERS_BYTES, Budget, MemoryBudget};
use crate::execution::failure::failure_payload;
use crate::execution::running::RunningExecutions;
use crate::library::LibraryCache;
use crate::runtime::{Failure, FailureCode, Runtime};
use crate::session::registry::Registry;
use crate::store::{Settled, Store};
use crate::template::policy_cache::PolicyCache;
use crate::worktree;
use crate::{Error, Result};

/// The number of permits for operations: more than can go on at once. Acquiring all of them waits
/// until no operation goes on.
const ALL_WORK: u32 = 1 << 20;

/// How long a stop of the service waits until the executions of the ended sessions have ended their
/// records.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The parts and options of a [`Control`].
pub struct ControlOptions {
    /// The open store.
    pub store: Arc<dyn Store>,
    /// Makes live sessions.
    pub runtime: Arc<dyn Runtime>,
    /// The memory that the service and the runtime may hold for sessions.
    pub memory: MemoryBudget,
    /// The directory of the libraries.
    pub library_cache: PathBuf,
    /// Files of the service that no session may open, beside those of the store and the libraries.
    pub own_files: Vec<PathBuf>,
    /// The largest number of live sessions.
    pub max_sessions: usize,
}

/// The service: templates, sessions and executions. Clones share one service.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) libraries: Arc<LibraryCache>,
    pub(crate) executions: Arc<RunningExecutions>,
    /// Whether the service has stopped, which ends all followers.
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) registry: Registry,
    pub(crate) policies: PolicyCache,
    pub(crate) memory: MemoryBudget,
    /// Locked while expired records are removed.
    pub(crate) pruning: AsyncMutex<()>,
    /// The budget of the memory of all answers to clients.
    pub(crate) answers: Budget,
    pub(crate) max_sessions: usize,
    /// The files that no session may open, without links.
    pub(crate) own_files: Vec<PathBuf>,
    /// Whether new operations are accepted.
    accepting: AtomicBool,
    /// Lacks a permit for each operation that goes on.
    work: Arc<Semaphore>,
}

impl Control {
    /// Opens the service on a store. First it ends what an earlier daemon left unfinished there.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn open(options: ControlOptions) -> Result<Self> {
        end_unfinished(&*options.store).await?;
        let mut own_files = options.store.files();
        own_files.push(options.library_cache.clone());
        own_files.extend(options.own_files);
        // Some of the files do not exist yet.
        let own_files = own_files
            .iter()
            .map(|file| worktree::real_or_absolute(file));
        let own_files = own_files
            .collect::<std::io::Result<_>>()
            .map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                store: options.store,
                runtime: options.runtime,
                libraries: Arc::new(LibraryCache::new(options.library_cache)),
                executions: Arc::default(),
                stopped: watch::Sender::new(false),
                registry: Registry::default(),
                policies: PolicyCache::default(),
                memory: options.memory,
                pruning: AsyncMutex::default(),
                answers: Budget::new(ANSWERS_BYTES),
                max_sessions: options.max_sessions,
                own_files,
                accepting: AtomicBool::new(true),
                work: Arc::new(Semaphore::new(ALL_WORK as usize)),
            }),
        })
    }

    /// The sessions that are `ready`, with their ids sorted.
    pub fn summary(&self) -> RuntimeSummary {
        let mut active_session_ids: Vec<_> = self
            .inner
            .registry
            .all()
            .into_iter()
            .filter(|session| session.status() == SessionStatus::Ready)
            .map(|session| session.id)
            .collect();
        active_session_ids.sort_unstable();
        RuntimeSummary {
            active_sessions: active_session_ids.len(),
            active_session_ids,
        }
    }

    /// The sandbox of session processes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no worker can be started.
    pub async fn sandbox(&self) -> Result<Sandbox> {
        let sandbox = self.inner.runtime.sandbox().await;
        sandbox.map_err(|error| Error::Unavailable {
            message: error.to_string(),
        })
    }

    /// Stops the service: refuses new operations, lets running executions end for at most `grace`,
    /// ends every session and closes the store.
    pub async fn shut_down(&self, grace: Duration) {
        let inner = &self.inner;
        inner.accepting.store(false, Ordering::SeqCst);
        let idle = tokio::time::timeout(grace, inner.work.acquire_many(ALL_WORK)).await;
        if idle.is_err() {
            tracing::warn!("the grace period is over: running executions are cancelled");
        }
        drop(idle);
        let live = inner.registry.all();
        for session in &live {
            session.set_closing("the daemon was stopped");
        }
        inner.runtime.shut_down().await;
        let settled = tokio::time::timeout(SETTLE_TIMEOUT, inner.work.acquire_many(ALL_WORK)).await;
        if settled.is_err() {
            tracing::error!("some executions did not settle: the next start will settle them");
        }
        let closed = inner
            .store
            .close_sessions(Timestamp::now(), "the daemon was stopped")
            .await;
        if let Err(error) = closed {
            tracing::error!(%error, "the sessions could not be marked as closed");
        }
        inner.stopped.send_replace(true);
        inner.store.close().await;
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// A handle for a task that must not keep the service alive.
    pub(crate) fn downgrade(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.inner))
    }
}

/// A [`Control`] that does not keep the service alive.
pub(crate) struct WeakControl(Weak<Inner>);

impl WeakControl {
    /// The service; `None` once it is gone.
    pub(crate) fn upgrade(&self) -> Option<Control> {
        self.0.upgrade().map(|inner| Control { inner })
    }
}

impl Inner {
    /// Counts an operation that the stop of the service waits for, until the permit is dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the service is stopping.
    pub(crate) fn begin_work(&self) -> Result<OwnedSemaphorePermit> {
        let stopping = || Error::Unavailable {
            message: "the service is shutting down".into(),
        };
        let permit = Arc::clone(&self.work)
            .try_acquire_owned()
            .map_err(|_| stopping())?;
        if self.accepting.load(Ordering::SeqCst) {
            Ok(permit)
        } else {
            Err(stopping())
        }
    }
}

/// Ends the executions and sessions that an earlier daemon left unfinished, because it was killed
/// or crashed.
async fn end_unfinished(store: &dyn Store) -> Result<()> {
    let failure = Failure {
        code: FailureCode::RuntimeCrashed,
        message: "the daemon ended while this ran, and the session with it".into(),
    };
    let error = failure_payload(&failure, true);
    let reason = "the daemon ended without closing this session";
    let settled = store
        .settle_unfinished(Timestamp::now(), error, reason)
        .await?;
    let Settled {
        executions,
        sessions,
    } = settled;
    if executions + sessions > 0 {
        tracing::warn!(
            executions,
            sessions,
            "settled what an earlier daemon left unfinished"
        );
    }
    Ok(())
}
