//! The implementation of the port on the tables in memory.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{
    CheckReport, Event, Execution, ExecutionStatus, Identified, RawJson, Session, SessionStatus,
    Settings, Template, TemplateDetails, Timestamp, Vacuumed,
};

use super::MemoryStore;
use super::data::Data;
use crate::runtime::BoxFuture;
use crate::store::{
    ChangeTemplate, EventBatch, ExecutionEnd, ExecutionHead, ExecutionQuery, ExpiredExecutions,
    OnUnreadable, PendingWrite, Portion, RecordNumber, RemovedExecutions, RunningNow, SessionQuery,
    Settled, Store, StoreError, StoreFuture, TemplateChange, TemplateChanged, UnrecordedEnd,
    Urgency, Within, WritePermit, WriteRoom,
};

impl Store for MemoryStore {
    fn write_room(&self) -> &WriteRoom {
        &self.room
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn sync(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.write(|_| Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.close_now() })
    }

    fn list_templates(&self) -> StoreFuture<'_, Vec<Template>> {
        Box::pin(async move {
            self.read(|data| {
                let newest_first = data.templates.iter().rev();
                newest_first
                    .map(|details| details.template.clone())
                    .collect()
            })
        })
    }

    fn get_template(&self, id: Uuid) -> StoreFuture<'_, Option<Template>> {
        Box::pin(async move {
            self.read(move |data| data.template(id).map(|details| details.template.clone()))
        })
    }

    fn template_details(
        &self,
        id: Uuid,
        _: OnUnreadable,
    ) -> StoreFuture<'_, Option<TemplateDetails>> {
        Box::pin(async move { self.read(move |data| data.template(id).cloned()) })
    }

    fn create_template(&self, template: Template, settings: Settings) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |data| data.create_template(template, settings)))
    }

    fn update_template(
        &self,
        id: Uuid,
        change: ChangeTemplate,
    ) -> StoreFuture<'_, Option<TemplateDetails>> {
        Box::pin(self.write(move |data| data.update_template(id, change)))
    }

    fn change_template(
        &self,
        id: Uuid,
        change: TemplateChange,
        now: Timestamp,
    ) -> StoreFuture<'_, TemplateChanged> {
        Box::pin(self.write(move |data| data.change_template(id, change, now)))
    }

    fn delete_template(&self, id: Uuid) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |data| Ok(data.delete_template(id))))
    }

    fn create_session(
        &self,
        permit: WritePermit,
        session: Session,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, move |data| data.create_session(session))
    }

    fn set_session_ready(&self, id: Uuid) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |data| {
            data.set_session_ready(id);
            Ok(())
        }))
    }

    fn end_session(
        &self,
        id: Uuid,
        status: SessionStatus,
        ended_at: Timestamp,
        last_error: Option<String>,
    ) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |data| {
            data.end_session(id, status, ended_at, last_error);
            Ok(())
        }))
    }

    fn close_sessions(&self, closed_at: Timestamp, reason: &'static str) -> StoreFuture<'_, usize> {
        Box::pin(self.write(move |data| Ok(data.close_sessions(closed_at, reason))))
    }

    fn get_session(&self, id: Uuid) -> StoreFuture<'_, Option<Session>> {
        Box::pin(async move { self.read(move |data| data.session(id).cloned()) })
    }

    fn list_sessions(&self, query: SessionQuery) -> StoreFuture<'_, Option<Portion<Session>>> {
        Box::pin(async move { self.read(move |data| data.list_sessions(query)) })
    }

    fn insert_execution(
        &self,
        permit: WritePermit,
        execution: Execution,
        request: Option<String>,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, move |data| {
            data.insert_execution(execution, request)
        })
    }

    fn append_events(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        _: Urgency,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, move |data| data.append(batch))
    }

    fn finish_execution(
        &self,
        permit: WritePermit,
        batch: EventBatch,
        end: ExecutionEnd,
    ) -> Result<PendingWrite<()>, StoreError> {
        self.submit(permit, move |data| data.finish(batch, end))
    }

    fn finish_unrecorded(&self, end: UnrecordedEnd) -> StoreFuture<'_, ()> {
        Box::pin(self.write(move |data| data.finish_unrecorded(end)))
    }

    fn settle_unfinished(
        &self,
        now: Timestamp,
        error: RawJson,
        reason: &'static str,
    ) -> StoreFuture<'_, Settled> {
        Box::pin(self.write(move |data| {
            Ok(Settled {
                executions: data.settle_executions(now, &error),
                sessions: data.close_sessions(now, reason),
            })
        }))
    }

    fn get_execution(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        Box::pin(async move { self.read(move |data| data.execution_within(id, max_bytes)) })
    }

    fn get_execution_synced(
        &self,
        id: Uuid,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        Box::pin(self.write(move |data| Ok(data.execution_within(id, max_bytes))))
    }

    fn execution_head(&self, id: Uuid) -> StoreFuture<'_, Option<ExecutionHead>> {
        Box::pin(async move {
            self.read(move |data| {
                let record = &data.execution(id)?.record;
                Some(ExecutionHead {
                    session_id: record.session_id,
                    has_ended: record.status != ExecutionStatus::Running,
                })
            })
        })
    }

    fn execution_request(&self, id: Uuid) -> StoreFuture<'_, Option<String>> {
        Box::pin(async move { self.read(move |data| data.execution(id)?.request.clone()) })
    }

    fn execution_after(
        &self,
        session_id: Uuid,
        after: Option<Uuid>,
        max_bytes: usize,
    ) -> StoreFuture<'_, Within<Option<Execution>>> {
        Box::pin(async move {
            self.read(move |data| data.execution_after(session_id, after, max_bytes))
        })
    }

    fn list_executions(
        &self,
        query: ExecutionQuery,
    ) -> StoreFuture<'_, Option<Portion<Execution>>> {
        Box::pin(async move { self.read(move |data| data.list_executions(&query)) })
    }

    fn events_after(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'_, Portion<Event>> {
        Box::pin(async move {
            self.read(move |data| data.events_after(execution_id, after_seq, limit, max_bytes))
        })
    }

    fn ids_like(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<Identified>> {
        Box::pin(async move { self.read(move |data| data.ids_like(&prefix, limit)) })
    }

    fn expired_executions(
        &self,
        before: Timestamp,
        sessions_before: Option<Timestamp>,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions> {
        Box::pin(async move {
            self.read(move |data| data.expired_executions(before, sessions_before, after, limit))
        })
    }

    fn expired_sessions(
        &self,
        before: Timestamp,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, Vec<RecordNumber>> {
        Box::pin(async move { self.read(move |data| data.expired_sessions(before, after, limit)) })
    }

    fn executions_of_session(
        &self,
        session: RecordNumber,
        after: RecordNumber,
        limit: u32,
    ) -> StoreFuture<'_, ExpiredExecutions> {
        Box::pin(async move { self.read(move |data| data.executions_of(session, after, limit)) })
    }

    fn count_events(&self, executions: Vec<RecordNumber>) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.read(move |data| data.count_events(&executions)) })
    }

    fn remove_executions(
        &self,
        executions: Vec<RecordNumber>,
        duration: Duration,
    ) -> StoreFuture<'_, RemovedExecutions> {
        Box::pin(self.write(move |data| Ok(data.remove_executions(&executions, duration))))
    }

    fn remove_session(&self, session: RecordNumber) -> StoreFuture<'_, bool> {
        Box::pin(self.write(move |data| Ok(data.remove_session(session))))
    }

    fn back_up(&self) -> StoreFuture<'_, File> {
        Box::pin(async { self.read(Data::back_up)? })
    }

    fn check(&self, _: RunningNow) -> StoreFuture<'_, CheckReport> {
        Box::pin(async move { self.read(Data::check) })
    }

    fn vacuum(&self) -> StoreFuture<'_, Vacuumed> {
        Box::pin(self.write(|_| {
            Ok(Vacuumed {
                bytes_before: 0,
                bytes_after: 0,
            })
        }))
    }
}
