//! The implementation of the port: each operation runs on the thread that may do it.

use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{
    CheckReport, Event, Execution, Identified, RawJson, Session, SessionStatus, Settings, Template,
    TemplateDetails, Timestamp, Vacuumed,
};
use vmcontrol::runtime::BoxFuture;
use vmcontrol::store::{
    ChangeTemplate, EventBatch, ExecutionEnd, ExecutionHead, ExecutionQuery, ExpiredExecutions,
    OnUnreadable, PendingWrite, Portion, RecordNumber, RemovedExecutions, RunningNow, SessionQuery,
    Settled, Store, StoreError, StoreFuture, TemplateChange, TemplateChanged, UnrecordedEnd,
    Urgency, Within, WritePermit, WriteRoom,
};

use crate::check::{self, Running};
use crate::store::SqliteStore;
use crate::{event, execution, id, retention, session, space, template};

impl Store for SqliteStore {
    fn write_room(&self) -> &WriteRoom {
        self.writer.room()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.all_files()
    }

    fn sync(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.write(|_| Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.close_all())
    }

    fn list_templates(&self) -> StoreFuture<'_, Vec<Template>> {
        Box::pin(self.read(template::list))
    }

    fn get_template(&self, id: Uuid) -> StoreFuture<'_, Option<Template>> {
        Box::pin(self.read(move |connection| template::get(connection, id)))
    }

    fn template_details(
        &self,
        id: Uuid,
        on_unreadable: OnUnreadable,
    ) -> StoreFuture<'_, Option<TemplateDetails>> {
        Box::pin(self.read(move |connection| template::details(connection, id, on_unreadable)))
    }

    fn create_template(&self, template: Template, settings: Settings) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |connection| template::insert(connection, &template, &settings)))
    }

    fn update_template(
        &self,
        id: Uuid,
        change: ChangeTemplate,
    ) -> StoreFuture<'_, Option<TemplateDetails>> {
        Box::pin(self.write(move |connection| template::update(connection, id, change)))
    }

    fn change_template(
        &self,
        id: Uuid,
        change: TemplateChange,
        now: Timestamp,
    ) -> StoreFuture<'_, TemplateChanged> {
        Box::pin(self.write(move |connection| template::change(connection, id, &change, now)))
    }

    fn delete_template(&self, id: Uuid) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |connection| template::delete(connection, id)))
    }

    fn create_session(
        &self,
        permit: WritePermit,
        session: Session,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, Urgency::Prompt, move |connection| {
            session::insert(connection, &session)
        })
    }

    fn set_session_ready(&self, id: Uuid) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |connection| session::set_ready(connection, id)))
    }

    fn end_session(
        &self,
        id: Uuid,
        status: SessionStatus,
        ended_at: Timestamp,
        last_error: Option<String>,
    ) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |connection| {
            session::end(connection, id, status, ended_at, last_error.as_deref())
        }))
    }

    fn close_sessions(&self, closed_at: Timestamp, reason: &'static str) -> StoreFuture<'_, usize> {
        Box::pin(self.write(move |connection| session::close_open(connection, closed_at, reason)))
    }

    fn get_session(&self, id: Uuid) -> StoreFuture<'_, Option<Session>> {
        Box::pin(self.read(move |connection| session::get(connection, id)))
    }

    fn list_sessions(&self, query: SessionQuery) -> StoreFuture<'_, Option<Portion<Session>>> {
        Box::pin(self.read(move |connection| session::list(connection, query)))
    }

    fn insert_execution(
        &self,
        permit: WritePermit,
        execution: Execution,
        request: Option<String>,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, Urgency::Lazy, move |connection| {
            execution::insert(connection, &execution, request.as_deref())
        })
    }

    fn append_events(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        urgency: Urgency,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, urgency, move |connection| {
            event::append(connection, &batch)
        })
    }

    fn finish_execution(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        end: ExecutionEnd,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, Urgency::Prompt, move |connection| {
            event::append(connection, &batch)?;
            execution::end(connection, batch.execution_id, &end)
        })
    }

    fn finish_unrecorded(&self, end: UnrecordedEnd) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |connection| execution::end_unrecorded(connection, &end)))
    }

    fn settle_unfinished(
        &self,
        now: Timestamp,
        error: RawJson,
        reason: &'static str,
    ) -> StoreFuture<'_, Settled> {
        Box::pin(self.write(move |connection| {
            Ok(Settled {
                executions: execution::end_running(connection, now, &error)?,
                sessions: session::close_open(connection, now, reason)?,
            })
        }))
    }

    fn get_execution(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        Box::pin(self.read(move |connection| execution::get(connection, id, max_bytes)))
    }

    fn get_execution_synced(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        // The thread that writes runs this after all writes that were submitted before.
        Box::pin(self.write(move |connection| execution::get(connection, id, max_bytes)))
    }

    fn execution_head(&self, id: Uuid) -> StoreFuture<'_, Option<ExecutionHead>> {
        Box::pin(self.read(move |connection| execution::head(connection, id)))
    }

    fn execution_request(&self, id: Uuid) -> StoreFuture<'_, Option<String>> {
        Box::pin(self.read(move |connection| execution::request(connection, id)))
    }

    fn execution_after(
        &self,
        session_id: Uuid,
        after: Option<Uuid>,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        Box::pin(
            self.read(move |connection| {
                execution::following(connection, session_id, after, max_bytes)
            }),
        )
    }

    fn list_executions(
        &self,
        query: ExecutionQuery,
    ) -> StoreFuture<'_, Option<Portion<Execution>>> {
        Box::pin(self.read(move |connection| execution::list(connection, &query)))
    }

    fn events_after(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'_, Portion<Event>> {
        Box::pin(self.read(move |connection| {
            event::list(connection, execution_id, after_seq, limit, max_bytes)
        }))
    }

    fn ids_like(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<Identified>> {
        Box::pin(self.read(move |connection| id::like(connection, &prefix, limit)))
    }

    fn expired_executions(
        &self,
        before: Timestamp,
        sessions_before: Option<Timestamp>,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions> {
        Box::pin(self.read(move |connection| {
            retention::expired_executions(connection, before, sessions_before, after, limit)
        }))
    }

    fn expired_sessions(
        &self,
        before: Timestamp,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<RecordNumber>> {
        Box::pin(
            self.read(move |connection| {
                retention::expired_sessions(connection, before, after, limit)
            }),
        )
    }

    fn executions_of_session(
        &self,
        session: RecordNumber,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions> {
        Box::pin(
            self.read(move |connection| {
                retention::executions_of(connection, session, after, limit)
            }),
        )
    }

    fn count_events(&self, executions: Vec<RecordNumber>) -> StoreFuture<'_, u64> {
        Box::pin(self.read(move |connection| retention::count_events(connection, &executions)))
    }

    fn remove_executions(
        &self,
        executions: Vec<RecordNumber>,
        duration: Duration,
    ) -> StoreFuture<'_, RemovedExecutions> {
        Box::pin(self.write(move |connection| {
            retention::remove_executions(connection, &executions, duration)
        }))
    }

    fn remove_session(&self, session: RecordNumber) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |connection| retention::remove_session(connection, session)))
    }

    fn back_up(&self) -> StoreFuture<'_, File> {
        let database = self.path().to_owned();
        Box::pin(self.read_long(move |connection, is_wanted| {
            space::back_up(connection, &database, is_wanted)
        }))
    }

    fn check(&self, running: RunningNow) -> StoreFuture<'_, CheckReport> {
        let check = move |connection: &_, _: &dyn Fn() -> bool| {
            let running: &dyn Fn() -> HashSet<Uuid> = &*running;
            check::check(connection, &Running::Known(running))
        };
        Box::pin(self.read_long(check))
    }

    fn vacuum(&self) -> StoreFuture<'_, Vacuumed> {
        Box::pin(self.between_transactions(space::vacuum))
    }
}
