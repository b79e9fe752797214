//! The operations of a store.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{
    CheckReport, Event, Execution, Identified, RawJson, Session, SessionStatus, Settings, Template,
    TemplateDetails, Timestamp, Vacuumed,
};

use super::{
    EventBatch, ExecutionEnd, ExecutionHead, ExecutionQuery, ExpiredExecutions, OnUnreadable,
    PendingWrite, Portion, RecordNumber, RemovedExecutions, SessionQuery, Settled, StoreError,
    TemplateChange, TemplateChanged, UnrecordedEnd, Urgency, Within, WritePermit, WriteRoom,
};
use crate::runtime::BoxFuture;

/// What an operation of a store returns.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Changes a template and its settings. It is called in the transaction that stores them: it must
/// not block, and is not called again.
pub type ChangeTemplate = Box<dyn FnOnce(&mut Template, &mut Settings) + Send>;

/// Gives the executions that are running in the daemon at the time of the call.
pub type RunningNow = Box<dyn Fn() -> HashSet<Uuid> + Send + Sync>;

/// The persistent storage of the service: templates, sessions, executions and their events.
///
/// See the [module](super) for when a write is durable and what a read sees. Every method fails
/// with [`StoreError::Closed`] once the store is closed, and with the other kinds of [`StoreError`]
/// as their documentation says. The section "Errors" of a method names only the errors that are
/// special to it.
pub trait Store: Send + Sync {
    /// The room for writes that are submitted with a permit.
    fn write_room(&self) -> &WriteRoom;

    /// The files that the store consists of, which no session may open. Some need not exist yet.
    fn files(&self) -> Vec<PathBuf>;

    /// Waits until every write that was submitted before is done.
    fn sync(&self) -> StoreFuture<'_, ()>;

    /// Does all submitted writes, ends long reads, and releases the resources of the store. Closing
    /// a closed store is not an error.
    fn close(&self) -> BoxFuture<'_, ()>;

    // Templates.

    /// All templates with their lists of names, newest first. Unreadable ones are left out.
    fn list_templates(&self) -> StoreFuture<'_, Vec<Template>>;

    /// A template with its lists of names, of which unreadable ones are left out; `None` if no
    /// template has the id.
    fn get_template(&self, id: Uuid) -> StoreFuture<'_, Option<Template>>;

    /// A template with all that belongs to it, as of one moment; `None` if no template has the id.
    fn template_details(
        &self,
        id: Uuid,
        on_unreadable: OnUnreadable,
    ) -> StoreFuture<'_, Option<TemplateDetails>>;

    /// Stores a new template. It has no parts and no names yet.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when its name is taken.
    fn create_template(&self, template: Template, settings: Settings) -> StoreFuture<'_, ()>;

    /// Changes a template and its settings, and returns it with all readable parts; `None` if no
    /// template has the id. Fields of the settings that this version does not know stay.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when its name is taken.
    fn update_template(
        &self,
        id: Uuid,
        change: ChangeTemplate,
    ) -> StoreFuture<'_, Option<TemplateDetails>>;

    /// Changes what belongs to a template, and stores `now` as the time of the change.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the template has a capability of that kind and name, or a
    /// startup file of that path.
    fn change_template(
        &self,
        id: Uuid,
        change: TemplateChange,
        now: Timestamp,
    ) -> StoreFuture<'_, TemplateChanged>;

    /// Deletes a template with all that belongs to it; returns whether it existed. Its sessions
    /// stay.
    fn delete_template(&self, id: Uuid) -> StoreFuture<'_, bool>;

    // Sessions.

    /// Stores a new session, promptly.
    ///
    /// # Errors
    /// [`StoreError::Closed`]; the others come with the outcome.
    fn create_session(
        &self,
        permit: WritePermit,
        session: Session,
    ) -> Result<PendingWrite<()>, StoreError>;

    /// Makes a session `ready` that is `starting`.
    fn set_session_ready(&self, id: Uuid) -> StoreFuture<'_, ()>;

    /// Ends a session that is not `closed`, with `status`, which is `closed` or `crashed`. The time
    /// of an earlier end stays, and so does an earlier error where `last_error` is `None`.
    fn end_session(
        &self,
        id: Uuid,
        status: SessionStatus,
        ended_at: Timestamp,
        last_error: Option<String>,
    ) -> StoreFuture<'_, ()>;

    /// Closes every session that is `starting` or `ready`, with `reason` as its error; returns how
    /// many there were.
    fn close_sessions(&self, closed_at: Timestamp, reason: &'static str) -> StoreFuture<'_, usize>;

    /// A session's record; `None` if no session has the id.
    fn get_session(&self, id: Uuid) -> StoreFuture<'_, Option<Session>>;

    /// A portion of the sessions; `None` when the page begins at a session that does not exist.
    fn list_sessions(&self, query: SessionQuery) -> StoreFuture<'_, Option<Portion<Session>>>;

    // Executions.

    /// Stores the record of an execution that begins, lazily. `request` is the fingerprint of its
    /// request; `None` if the request can't be sent again.
    ///
    /// # Errors
    /// [`StoreError::Closed`]. With the outcome come [`StoreError::Duplicate`] when its id is taken
    /// and [`StoreError::Constraint`] when its session does not exist.
    fn insert_execution(
        &self,
        permit: WritePermit,
        execution: Execution,
        request: Option<String>,
    ) -> Result<PendingWrite<()>, StoreError>;

    /// Appends events to the log of an execution. A batch without events is done when what was
    /// submitted before it is.
    ///
    /// # Errors
    /// [`StoreError::Closed`]. With the outcome comes [`StoreError::Unreachable`] when the record
    /// or an event before the first one is not there, since its write failed: a log has no gaps.
    fn append_events(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        urgency: Urgency,
    ) -> Result<PendingWrite<()>, StoreError>;

    /// Appends the last events of an execution and ends its record, together and promptly. An
    /// execution whose end is stored can be ended again, with more events: an end is preliminary
    /// until it is answered.
    ///
    /// # Errors
    /// As [`append_events`](Self::append_events).
    fn finish_execution(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        end: ExecutionEnd,
    ) -> Result<PendingWrite<()>, StoreError>;

    /// Ends an execution of which the store refused a part: stores its record if it is not there,
    /// and ends it as an error with a last event behind those that are.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] when its session was removed meanwhile.
    fn finish_unrecorded(&self, end: UnrecordedEnd) -> StoreFuture<'_, ()>;

    /// Ends what an earlier daemon left unfinished: executions that are `running` end as errors
    /// with a last event, and sessions that are `starting` or `ready` as closed, with `reason` as
    /// their error. A record that is too damaged to be written stays.
    fn settle_unfinished(
        &self,
        now: Timestamp,
        error: RawJson,
        reason: &'static str,
    ) -> StoreFuture<'_, Settled>;

    /// An execution's record, if it takes at most `max_bytes`; `None` if no execution has the id.
    fn get_execution(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>>;

    /// As [`get_execution`](Self::get_execution), once every write that was submitted before is
    /// done.
    fn get_execution_synced(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>>;

    /// The session of an execution and whether it has ended; `None` if no execution has the id.
    fn execution_head(&self, id: Uuid) -> StoreFuture<'_, Option<ExecutionHead>>;

    /// The fingerprint of the request for an execution; `None` if the execution does not exist or
    /// has none.
    fn execution_request(&self, id: Uuid) -> StoreFuture<'_, Option<String>>;

    /// The execution of a session that began after `after`, or its first, if the record takes at
    /// most `max_bytes`; `None` if there is no later one. Unreadable ones are passed over.
    fn execution_after(
        &self,
        session_id: Uuid,
        after: Option<Uuid>,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>>;

    /// A portion of the executions of a session; `None` when the page begins at an execution that
    /// does not exist.
    fn list_executions(&self, query: ExecutionQuery)
    -> StoreFuture<'_, Option<Portion<Execution>>>;

    /// The events of an execution with a `seq` above `after_seq`, in order: at most `limit`, and at
    /// most `max_bytes` of them, where each counts [`EVENT_BYTES`](super::EVENT_BYTES) beside its
    /// payload. Unreadable ones are left out and do not count: an empty portion with nothing left
    /// out is the end.
    fn events_after(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'_, Portion<Event>>;

    /// The records whose ids begin with `prefix`, which has only characters of ids: at most `limit`
    /// of each kind, by id.
    fn ids_like(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<Identified>>;

    // Retention. The caller makes sure that one removal runs at a time, see `RecordNumber`.

    /// Which of the next `limit` executions after `after` ended before `before`. Executions of
    /// sessions that ended before `sessions_before` are left out; `None` leaves none out.
    fn expired_executions(
        &self,
        before: Timestamp,
        sessions_before: Option<Timestamp>,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions>;

    /// The next `limit` sessions after `after` that ended before `before` and in which no execution
    /// is `running`, in the order of their numbers.
    fn expired_sessions(
        &self,
        before: Timestamp,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<RecordNumber>>;

    /// The next `limit` executions of a session after `after`.
    fn executions_of_session(
        &self,
        session: RecordNumber,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions>;

    /// How many events these executions have together.
    fn count_events(&self, executions: Vec<RecordNumber>) -> StoreFuture<'_, u64>;

    /// Removes executions that are not running, with their events, for about `duration`, and at
    /// least a part of the first. The last events of an execution are removed first, and the record
    /// with the first event, so that a crash leaves a consistent record.
    fn remove_executions(
        &self,
        executions: Vec<RecordNumber>,
        duration: Duration,
    ) -> StoreFuture<'_, RemovedExecutions>;

    /// Removes a session that has no executions; returns whether it did.
    fn remove_session(&self, session: RecordNumber) -> StoreFuture<'_, bool>;

    // Maintenance.

    /// A copy of the whole store as of one moment, in a file without a name, which is deleted when
    /// it is closed. Writes go on meanwhile. Dropping the future ends the copy.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when the disk has no room for the copy.
    fn back_up(&self) -> StoreFuture<'_, File>;

    /// Checks whether the store is sound. `running` gives the executions whose records are still
    /// being written. Damage is not an error. Dropping the future ends the check.
    fn check(&self, running: RunningNow) -> StoreFuture<'_, CheckReport>;

    /// Gives the room of removed records back to the file system. Writes wait until that is done.
    fn vacuum(&self) -> StoreFuture<'_, Vacuumed>;
}
