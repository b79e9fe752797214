//! Executions and their event logs.

use uuid::Uuid;
use vmapi_types::{Event, EventType, Execution, ExecutionStatus, Metrics, RawJson, Timestamp};

use super::data::{Data, StoredExecution, next_number};
use super::pages::execution_bytes;
use crate::store::{
    EVENT_BYTES, EventBatch, ExecutionEnd, Portion, StoreError, UnrecordedEnd, Within,
};

impl Data {
    pub(super) fn execution(&self, id: Uuid) -> Option<&StoredExecution> {
        let mut all = self.executions.values();
        all.find(|execution| execution.record.id == id)
    }

    fn execution_mut(&mut self, id: Uuid) -> Option<&mut StoredExecution> {
        let mut all = self.executions.values_mut();
        all.find(|execution| execution.record.id == id)
    }

    pub(super) fn insert_execution(
        &mut self,
        record: Execution,
        request: Option<String>,
    ) -> Result<(), StoreError> {
        if self.execution(record.id).is_some() {
            return Err(StoreError::Duplicate("an execution has the id".into()));
        }
        if self.session(record.session_id).is_none() {
            return Err(StoreError::Constraint("no session has the id".into()));
        }
        let stored = StoredExecution {
            record,
            request,
            events: Vec::new(),
        };
        self.executions
            .insert(next_number(&self.executions), stored);
        Ok(())
    }

    pub(super) fn append(&mut self, batch: EventBatch) -> Result<(), StoreError> {
        let Some(first) = batch.events.first() else {
            return Ok(());
        };
        let missing = |what: &str| StoreError::Unreachable(format!("{what} could not be written"));
        let execution = self
            .execution_mut(batch.execution_id)
            .ok_or_else(|| missing("the execution's record"))?;
        if first.seq != last_seq(execution) + 1 {
            return Err(missing("earlier events of the execution"));
        }
        execution.events.extend(batch.events);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        batch: EventBatch,
        end: ExecutionEnd,
    ) -> Result<(), StoreError> {
        let id = batch.execution_id;
        self.append(batch)?;
        if let Some(StoredExecution { record, .. }) = self.execution_mut(id) {
            record.status = end.status;
            record.ended_at = Some(end.ended_at);
            record.result = end.result;
            record.error = end.error;
            record.metrics = end.metrics;
        }
        Ok(())
    }

    pub(super) fn finish_unrecorded(&mut self, end: UnrecordedEnd) -> Result<(), StoreError> {
        let id = end.execution.id;
        if self.execution(id).is_none() {
            self.insert_execution(end.execution, end.request)?;
        }
        if let Some(execution) = self.execution_mut(id) {
            end_as_error(execution, end.ended_at, &end.error);
        }
        Ok(())
    }

    /// Ends all running executions; returns how many there were.
    pub(super) fn settle_executions(&mut self, now: Timestamp, error: &RawJson) -> usize {
        let mut settled = 0;
        for execution in self.executions.values_mut() {
            if execution.record.status == ExecutionStatus::Running {
                end_as_error(execution, now, error);
                settled += 1;
            }
        }
        settled
    }

    pub(super) fn execution_within(&self, id: Uuid, max_bytes: usize) -> Within<Option<Execution>> {
        match self.execution(id).map(|execution| &execution.record) {
            Some(record) if execution_bytes(record) > max_bytes => {
                Within::Needs(2 * execution_bytes(record))
            }
            found => Within::Fits(found.cloned()),
        }
    }

    pub(super) fn execution_after(
        &self,
        session_id: Uuid,
        after: Option<Uuid>,
        max_bytes: usize,
    ) -> Within<Option<Execution>> {
        let is_after = |id| self.executions.iter().find(|(_, one)| one.record.id == id);
        let after = after.and_then(is_after).map(|(number, _)| *number);
        let mut later = self.executions.iter().filter(|(number, execution)| {
            execution.record.session_id == session_id && Some(**number) > after
        });
        match later.next() {
            Some((_, execution)) => self.execution_within(execution.record.id, max_bytes),
            None => Within::Fits(None),
        }
    }

    pub(super) fn events_after(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Portion<Event> {
        let mut portion = Portion::default();
        let events = self.execution(execution_id).map(|one| &one.events);
        for event in events.into_iter().flatten() {
            if event.seq <= after_seq {
                continue;
            }
            let bytes = EVENT_BYTES + event.payload.get().len();
            if !portion.has_room(bytes, limit, max_bytes) {
                break;
            }
            portion.items.push(event.clone());
        }
        portion
    }
}

fn last_seq(execution: &StoredExecution) -> u64 {
    execution.events.last().map_or(0, |event| event.seq)
}

/// Ends an execution as an error, with a last event.
fn end_as_error(execution: &mut StoredExecution, now: Timestamp, error: &RawJson) {
    let seq = last_seq(execution) + 1;
    let StoredExecution { record, events, .. } = execution;
    events.push(Event {
        execution_id: record.id,
        seq,
        ts: now,
        kind: EventType::Exception,
        payload: error.clone(),
    });
    record.status = ExecutionStatus::Error;
    record.ended_at = Some(now);
    record.result = None;
    record.error = Some(error.clone());
    record.metrics = Metrics {
        events: seq,
        ..Metrics::default()
    };
}
