//! Sessions: how they are created from a template, listed and closed, and what happens when one
//! dies.

use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, Session, SessionStatus, Timestamp};

use crate::budget::answers::Charged;
use crate::execution::recorder::RETRY_EVERY;
use crate::execution::run::checked;
use crate::library::LoadedLibrary;
use crate::runtime::{OpenSessionError, SessionEnd, SessionSpec};
use crate::session::registry::{BusyGuard, RegisteredSession};
use crate::session::request::NewSession;
use crate::store::{
    OnUnreadable, Page, PendingWrite, Portion, SessionFilter, SessionQuery, StoreError,
    WritePermit, session_as_seen,
};
use crate::tasks::{blocking, to_the_end};
use crate::template::policy_cache::TemplatePolicy;
use crate::{Control, Error, Result, Worktree};

/// The reason of a session that a client closes. It is not stored: such a record has no error.
const BY_REQUEST: &str = "the session was closed";

/// A session that is being created.
struct BegunSession {
    live: Arc<RegisteredSession>,
    /// The right to run in the session: no client gets it before the session is ready.
    taken: BusyGuard,
    /// The record as the store got it.
    record: Session,
    /// The name of a built-in engine.
    engine: String,
}

/// An active template, with the built-in engine that its engine name means.
struct UsableTemplate {
    template: Arc<TemplatePolicy>,
    engine: String,
}

impl Control {
    /// Creates a session: starts its process, loads its libraries and runs its startup files. This
    /// goes on if the caller gives up.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::TemplateNotFound`], [`Error::WorktreeInvalid`]. Errors that
    /// leave a record that is `crashed`: [`Error::Unavailable`], [`Error::LibraryUnavailable`],
    /// [`Error::StartupFailed`], [`Error::StartupPathInvalid`].
    pub async fn create_session(&self, request: CreateSessionRequest) -> Result<Session> {
        let new = NewSession::of(request)?;
        let work = self.inner().begin_work()?;
        let control = self.clone();
        to_the_end(async move {
            let created = control.create(new).await;
            drop(work);
            created
        })
        .await
    }

    /// The record of a session.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn get_session(&self, id: Uuid) -> Result<Session> {
        let registry = &self.inner().registry;
        let was_starting = registry.is_starting(id);
        let session = self
            .store()
            .get_session(id)
            .await?
            .ok_or(Error::SessionNotFound { session_id: id })?;
        let is_starting = registry
            .get(id)
            .map_or(was_starting, |live| !live.has_been_ready());
        Ok(session_as_seen(session, is_starting))
    }

    /// Sessions, newest first.
    ///
    /// # Errors
    /// [`Error::Validation`] for a limit of zero, and for a page that begins at a session that does
    /// not exist.
    pub async fn list_sessions(
        &self,
        filter: SessionFilter,
        page: Page,
    ) -> Result<Charged<Portion<Session>>> {
        let page = checked(page)?;
        let were_starting: Arc<[Uuid]> = self.inner().registry.starting().into();
        self.read_charged(|most| {
            let listed = self.list_as_seen(filter.clone(), page, most, Arc::clone(&were_starting));
            async move { Ok(Portion::found_within(listed.await?, most)) }
        })
        .await?
        .or_missing(|| Error::validation("before and after must be the id of a session"))
    }

    /// A portion of the sessions as clients see them, in at most `max_bytes`. `were_starting` are
    /// the sessions that were starting before the call.
    async fn list_as_seen(
        &self,
        filter: SessionFilter,
        page: Page,
        max_bytes: usize,
        were_starting: Arc<[Uuid]>,
    ) -> std::result::Result<Option<Portion<Session>>, StoreError> {
        // The store filters by the same list that the records are shown by.
        let starting: Arc<OnceLock<Vec<Uuid>>> = Arc::default();
        let (inner, answered) = (Arc::clone(self.inner()), Arc::clone(&starting));
        let ask = move || inner.registry.never_ready(&were_starting);
        let portion = self.store().list_sessions(SessionQuery {
            filter,
            page,
            max_bytes,
            starting: Box::new(move || answered.get_or_init(ask).clone()),
        });
        let portion = portion.await?;
        let starting = starting.get().map_or(&[][..], Vec::as_slice);
        Ok(portion.map(|portion| {
            portion.map(|session| {
                let is_starting = starting.contains(&session.id);
                session_as_seen(session, is_starting)
            })
        }))
    }

    /// Closes a session. An execution that runs in it ends as `cancelled`. Closing a closed session
    /// changes nothing. This goes on if the caller gives up.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub async fn close_session(&self, id: Uuid) -> Result<Session> {
        let control = self.clone();
        to_the_end(async move { control.close(id).await }).await
    }

    async fn close(&self, id: Uuid) -> Result<Session> {
        let live = self.inner().registry.get(id);
        if let Some(live) = &live {
            live.stop(BY_REQUEST).await;
            // Once the session can be taken, the execution that ran has ended its record.
            drop(live.take().await);
        } else {
            let session = self.get_session(id).await?;
            if session.status == SessionStatus::Closed {
                return Ok(session);
            }
        }
        match live {
            Some(live) => {
                let reason = live.closing().filter(|reason| reason != BY_REQUEST);
                self.end_live(&live, SessionStatus::Closed, reason).await?;
            }
            None => self.end_session(id, SessionStatus::Closed, None).await?,
        }
        self.get_session(id).await
    }

    async fn create(&self, new: NewSession) -> Result<Session> {
        let unwatched_timeout = new.unwatched_timeout;
        let template = self.usable_template(new.template_id).await?;
        let own_files = self.inner().own_files.clone();
        let worktree = Worktree::open(&new.worktree_path, own_files).await?;
        let permit = self.store().write_room().reserve().await?;
        let (begun, inserted) = self.begin_session(new, template, worktree, permit)?;
        let started = self.start_session(&begun, inserted).await;
        let BegunSession {
            live,
            taken,
            record,
            ..
        } = begun;
        if let Err(error) = started {
            let failed = self.set_failed(&live, &error).await;
            drop(taken);
            return Err(failed.err().unwrap_or(error));
        }
        drop(taken);
        if let Some(timeout) = unwatched_timeout {
            self.close_when_unwatched(&live, timeout);
        }
        Ok(Session {
            status: SessionStatus::Ready,
            ..record
        })
    }

    /// A template from which sessions can be created, from the cache or the store.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`]; [`Error::Validation`] for a template that is not active;
    /// [`Error::EngineUnsupported`].
    async fn usable_template(&self, template_id: Uuid) -> Result<UsableTemplate> {
        let policies = &self.inner().policies;
        let template = match policies.get(template_id) {
            Some(known) => known,
            None => self.read_template(template_id).await?,
        };
        if !template.is_active {
            return Err(Error::validation(format!(
                "template {template_id} is not active: set is_active to make sessions from it"
            )));
        }
        let engine = self.resolve_engine(&template.policy.engine)?;
        Ok(UsableTemplate { template, engine })
    }

    /// Reads a template for the cache, unless another caller has done so meanwhile.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`]; [`Error::RecordUnreadable`].
    async fn read_template(&self, template_id: Uuid) -> Result<Arc<TemplatePolicy>> {
        let mut turn = self.inner().policies.turn(template_id).await;
        if let Some(known) = turn.policy() {
            return Ok(known);
        }
        // An unreadable part may be one that takes a permission away.
        let store = self.store();
        let details = store.template_details(template_id, OnUnreadable::Refuse);
        let details = details
            .await?
            .ok_or(Error::TemplateNotFound { template_id })?;
        let modules = self.inner().runtime.host_modules();
        // The patterns of capabilities are compiled, which may take long.
        let read = if details.capabilities.is_empty() {
            TemplatePolicy::of(details, modules)?
        } else {
            blocking(move || TemplatePolicy::of(details, modules)).await?
        };
        let read = Arc::new(read);
        turn.keep(&read);
        Ok(read)
    }

    /// Registers a session that has no process yet, and submits its record to the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there are too many sessions, or the store is closed.
    fn begin_session(
        &self,
        new: NewSession,
        UsableTemplate { template, engine }: UsableTemplate,
        worktree: Worktree,
        permit: WritePermit,
    ) -> Result<(BegunSession, PendingWrite<()>)> {
        let policy = Arc::clone(&template.policy);
        // Libraries and startup files may fail, and may take long.
        let is_simple = policy.startup_files.is_empty() && policy.libraries.is_empty();
        let record = Session {
            id: Uuid::new_v4(),
            vm_id: new.template_id,
            workspace_id: new.workspace_id,
            base_commit_oid: new.base_commit_oid,
            worktree_path: new.worktree_path,
            // The store writes the record while the process is started. Until that is done, clients
            // see the session as `starting`, and if it fails, the record has the failure before the
            // caller gets it.
            status: if is_simple {
                SessionStatus::Ready
            } else {
                SessionStatus::Starting
            },
            created_at: Timestamp::now(),
            closed_at: None,
            last_error: None,
            runtime_meta: Some(template.runtime_meta.clone()),
        };
        let (live, taken) = RegisteredSession::new(record.id, policy, worktree);
        let most = self.inner().max_sessions;
        if !self.inner().registry.insert(Arc::clone(&live), most) {
            return Err(Error::Unavailable {
                message: format!(
                    "there are {most} sessions, which is as many as there may be (--max-sessions): close one"
                ),
            });
        }
        let inserted = self.store().create_session(permit, record.clone());
        let inserted = inserted.inspect_err(|_| self.inner().registry.remove(live.id))?;
        let begun = BegunSession {
            live,
            taken,
            record,
            engine,
        };
        Ok((begun, inserted))
    }

    /// Starts the process of a session, runs the startup files, and makes the session ready.
    async fn start_session(&self, begun: &BegunSession, inserted: PendingWrite<()>) -> Result<()> {
        let live = &begun.live;
        let opened = async {
            let libraries = self.load_libraries(live).await?;
            self.open_live(live, begun.engine.clone(), libraries).await
        };
        let (opened, inserted) = tokio::join!(opened, inserted.wait());
        inserted?;
        opened?;
        if begun.record.status != SessionStatus::Ready {
            for file in &live.policy.startup_files {
                self.run_startup_file(live, file).await?;
            }
            self.store().set_session_ready(live.id).await?;
        }
        if let Some(reason) = live.closing() {
            return Err(Error::Unavailable { message: reason });
        }
        live.set_ready().map_err(|end| Error::Unavailable {
            message: end.reason,
        })
    }

    /// Opens the running session with its libraries.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::LibraryUnavailable`].
    async fn open_live(
        &self,
        live: &Arc<RegisteredSession>,
        engine: String,
        libraries: Vec<LoadedLibrary>,
    ) -> Result<()> {
        let spec = SessionSpec {
            id: live.id,
            engine,
            policy: Arc::clone(&live.policy),
            worktree: Arc::clone(&live.worktree),
            libraries,
        };
        let opened = self.inner().runtime.open_session(spec).await;
        let opened = opened.map_err(|error| match error {
            OpenSessionError::Unavailable(error) => Error::Unavailable {
                message: error.to_string(),
            },
            OpenSessionError::Library { name, message }
            | OpenSessionError::NoScript { name, message } => Error::LibraryUnavailable {
                session_id: live.id,
                name,
                message,
            },
        })?;
        live.set_runtime(Arc::clone(&opened.session));
        self.watch(Arc::clone(live), opened.ended);
        match live.closing() {
            // The task that closes the session may have found no running session to close.
            Some(reason) => Err(Error::Unavailable { message: reason }),
            None => Ok(()),
        }
    }

    /// Starts a task that ends the record as `crashed` if the session dies and is not being closed.
    fn watch(&self, live: Arc<RegisteredSession>, ended: oneshot::Receiver<SessionEnd>) {
        let control = self.clone();
        tokio::spawn(async move {
            let end = ended.await.unwrap_or_else(|_| SessionEnd {
                reason: "the session's supervisor is gone".to_owned(),
            });
            let reason = end.reason.clone();
            if !live.set_dead(end) {
                return;
            }
            tracing::warn!(session_id = %live.id, reason, "a session crashed");
            // `end_live` tries again in a task if the store fails.
            let _ = control
                .end_live(&live, SessionStatus::Crashed, Some(reason))
                .await;
        });
    }

    /// Ends a session that could not be started because of `error`.
    ///
    /// # Errors
    /// [`Error::SessionNotReady`] when the session was closed meanwhile: the caller gets this in
    /// place of `error`.
    async fn set_failed(&self, live: &Arc<RegisteredSession>, error: &Error) -> Result<()> {
        let closing = live.closing();
        live.stop("its start failed").await;
        let (status, reason) = match &closing {
            Some(reason) => (SessionStatus::Closed, reason.clone()),
            None => (SessionStatus::Crashed, error.to_string()),
        };
        // The caller gets the first error. `end_live` tries again in a task if the store fails.
        let _ = self.end_live(live, status, Some(reason)).await;
        if closing.is_some() {
            return Err(Error::SessionNotReady {
                session_id: live.id,
                status: SessionStatus::Closed,
            });
        }
        Ok(())
    }

    /// Ends the record of a session whose processes are gone. If the store fails, a task tries
    /// again until the end is stored.
    ///
    /// # Errors
    /// That of the first attempt.
    async fn end_live(
        &self,
        live: &RegisteredSession,
        status: SessionStatus,
        reason: Option<String>,
    ) -> std::result::Result<(), StoreError> {
        let id = live.id;
        let stored = self.end_session(id, status, reason.clone()).await;
        if stored.is_ok() {
            self.inner().registry.remove(id);
        } else if live.set_ending() {
            let control = self.clone();
            tokio::spawn(async move {
                control.end_session_at_last(id, status, reason).await;
                control.inner().registry.remove(id);
            });
        }
        stored
    }

    /// Ends the record of a session as soon as the store takes it.
    async fn end_session_at_last(&self, id: Uuid, status: SessionStatus, reason: Option<String>) {
        loop {
            match self.end_session(id, status, reason.clone()).await {
                // If the store is closed, the next start of the daemon ends the record.
                Ok(()) | Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(session_id = %id, %error, "the end of a session could not be stored");
                    tokio::time::sleep(RETRY_EVERY).await;
                }
            }
        }
    }

    async fn end_session(
        &self,
        id: Uuid,
        status: SessionStatus,
        reason: Option<String>,
    ) -> std::result::Result<(), StoreError> {
        let now = Timestamp::now();
        self.store().end_session(id, status, now, reason).await
    }
}
