//! The whole of the service but its transport.

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
use crate::runtime::{FailureCode, Runtime};
use crate::session::registry::Registry;
use crate::store::{self, Store};
use crate::template::policy_cache::Policies;
use crate::worktree;
use crate::{Error, Result};

/// More than can run at once; taking all of them waits for everything.
const ALL_WORK: u32 = 1 << 20;

/// How long ended sessions may take to settle their records when the service stops.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a [`Control`] is made from.
pub struct ControlOptions {
    /// The open store.
    pub store: Store,
    /// Makes live sessions.
    pub runtime: Arc<dyn Runtime>,
    /// What may be held in memory for sessions, by this and by the runtime.
    pub memory: MemoryBudget,
    /// The directory of the libraries.
    pub library_cache: PathBuf,
    /// Files of the service that no session opens, beside those of the store and the libraries.
    pub own_files: Vec<PathBuf>,
    /// How many sessions there may be.
    pub max_sessions: usize,
}

/// Templates, sessions and executions. Clones share it.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) libraries: Arc<LibraryCache>,
    pub(crate) executions: Arc<RunningExecutions>,
    /// Whether followers are to go.
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) registry: Registry,
    pub(crate) policies: Policies,
    pub(crate) memory: MemoryBudget,
    /// Held while what is old is removed.
    pub(crate) pruning: AsyncMutex<()>,
    /// What answers to clients hold together.
    pub(crate) answers: Budget,
    pub(crate) max_sessions: usize,
    /// What no session opens.
    pub(crate) own_files: Vec<PathBuf>,
    accepting: AtomicBool,
    work: Arc<Semaphore>,
}

impl Control {
    /// Takes over a store: what an earlier daemon left unfinished in it is settled first.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn open(options: ControlOptions) -> Result<Self> {
        settle(&options.store).await?;
        let mut own_files = options.store.files();
        own_files.push(options.library_cache.clone());
        own_files.extend(options.own_files);
        // Some are not there yet.
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
                policies: Policies::default(),
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

    /// The sessions that are ready, with their ids sorted.
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

    /// What the kernel keeps sessions from.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no worker can be started.
    pub async fn sandbox(&self) -> Result<Sandbox> {
        let sandbox = self.inner.runtime.sandbox().await;
        sandbox.map_err(|error| Error::Unavailable {
            message: error.to_string(),
        })
    }

    /// Stops the service: refuses new work, lets what runs end for at most `grace`, ends every session and closes the
    /// store.
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
            .write(move |connection| {
                store::session::settle(connection, Timestamp::now(), "the daemon was stopped")
            })
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

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
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
    /// Counts a piece of work that the end of the service waits for.
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

/// Ends what a daemon left unfinished that did not stop in order.
async fn settle(store: &Store) -> Result<()> {
    let error = failure_payload(
        FailureCode::RuntimeCrashed,
        "the daemon ended while this ran, and the session with it",
        true,
    );
    let (executions, sessions) = store
        .write(move |connection| {
            let now = Timestamp::now();
            let executions = store::execution::settle(connection, now, &error)?;
            let sessions = store::session::settle(
                connection,
                now,
                "the daemon ended without closing this session",
            )?;
            Ok((executions, sessions))
        })
        .await?;
    if executions + sessions > 0 {
        tracing::warn!(
            executions,
            sessions,
            "settled what an earlier daemon left unfinished"
        );
    }
    Ok(())
}
