//! Retention and maintenance.

use std::fs::File;
use std::ops::Bound;
use std::time::{Duration, Instant};

use vmapi_types::{CheckReport, ExecutionStatus, Session, SessionStatus, Timestamp};

use super::data::Data;
use crate::store::{ExpiredExecutions, RecordNumber, RemovedExecutions, StoreError};

/// Whether a session ended before a time.
fn has_ended(session: &Session, before: Timestamp) -> bool {
    matches!(
        session.status,
        SessionStatus::Closed | SessionStatus::Crashed
    ) && session.closed_at.is_some_and(|at| at < before)
}

fn behind(after: RecordNumber) -> (Bound<RecordNumber>, Bound<RecordNumber>) {
    (Bound::Excluded(after), Bound::Unbounded)
}

impl Data {
    pub(super) fn expired_executions(
        &self,
        before: Timestamp,
        sessions_before: Option<Timestamp>,
        after: RecordNumber,
        limit: u32,
    ) -> ExpiredExecutions {
        let portion: Vec<_> = self
            .executions
            .range(behind(after))
            .take(limit as usize)
            .collect();
        let last = portion.last().map(|(number, _)| **number);
        let is_full = portion.len() == limit as usize;
        let is_expired = |execution: &&super::data::StoredExecution| {
            let record = &execution.record;
            let session = self.session(record.session_id);
            let goes_with_session = sessions_before
                .zip(session)
                .is_some_and(|(before, session)| has_ended(session, before));
            record.status != ExecutionStatus::Running
                && record.ended_at.is_some_and(|at| at < before)
                && !goes_with_session
        };
        ExpiredExecutions {
            numbers: portion
                .into_iter()
                .filter(|(_, execution)| is_expired(execution))
                .map(|(number, _)| *number)
                .collect(),
            next: last.filter(|_| is_full),
        }
    }

    pub(super) fn expired_sessions(
        &self,
        before: Timestamp,
        after: RecordNumber,
        limit: u32,
    ) -> Vec<RecordNumber> {
        let is_used = |session: &Session| {
            let mut of_all = self.executions.values().map(|execution| &execution.record);
            of_all.any(|record| {
                record.session_id == session.id && record.status == ExecutionStatus::Running
            })
        };
        self.sessions
            .range(behind(after))
            .filter(|(_, session)| has_ended(session, before) && !is_used(session))
            .map(|(number, _)| *number)
            .take(limit as usize)
            .collect()
    }

    pub(super) fn executions_of(
        &self,
        session: RecordNumber,
        after: RecordNumber,
        limit: u32,
    ) -> ExpiredExecutions {
        let session = self.sessions.get(&session).map(|session| session.id);
        let numbers: Vec<_> = self
            .executions
            .range(behind(after))
            .filter(|(_, execution)| Some(execution.record.session_id) == session)
            .map(|(number, _)| *number)
            .take(limit as usize)
            .collect();
        let is_full = numbers.len() == limit as usize;
        ExpiredExecutions {
            next: numbers.last().copied().filter(|_| is_full),
            numbers,
        }
    }

    pub(super) fn count_events(&self, executions: &[RecordNumber]) -> u64 {
        let found = executions
            .iter()
            .filter_map(|number| self.executions.get(number));
        found.map(|execution| execution.events.len() as u64).sum()
    }

    pub(super) fn remove_executions(
        &mut self,
        executions: &[RecordNumber],
        duration: Duration,
    ) -> RemovedExecutions {
        let begun = Instant::now();
        let mut removed = RemovedExecutions::default();
        for number in executions {
            let execution = self.executions.get(number);
            if let Some(execution) = execution
                && execution.record.status != ExecutionStatus::Running
            {
                removed.executions += 1;
                removed.events += execution.events.len() as u64;
                self.executions.remove(number);
            }
            removed.handled += 1;
            if begun.elapsed() >= duration {
                break;
            }
        }
        removed
    }

    pub(super) fn remove_session(&mut self, session: RecordNumber) -> bool {
        let Some(id) = self.sessions.get(&session).map(|session| session.id) else {
            return false;
        };
        let is_used = |execution: &super::data::StoredExecution| execution.record.session_id == id;
        if self.executions.values().any(is_used) {
            return false;
        }
        self.sessions.remove(&session).is_some()
    }

    pub(super) fn back_up(&self) -> Result<File, StoreError> {
        let executions: Vec<_> = self.executions.values().collect();
        let copy: Vec<_> = executions
            .iter()
            .map(|execution| (&execution.record, &execution.events))
            .collect();
        let sessions: Vec<_> = self.sessions.values().collect();
        let write = || -> std::io::Result<File> {
            let file = tempfile::tempfile()?;
            serde_json::to_writer(&file, &(&self.templates, sessions, copy))?;
            Ok(file)
        };
        write().map_err(|error| StoreError::Io(error.to_string()))
    }

    pub(super) fn check(&self) -> CheckReport {
        let mut problems = Vec::new();
        let mut events = 0;
        for execution in self.executions.values() {
            events += execution.events.len() as u64;
            let numbers = execution.events.iter().map(|event| event.seq);
            if numbers.zip(1..).any(|(seq, expected)| seq != expected) {
                let id = execution.record.id;
                problems.push(format!("execution {id}: its log has a gap"));
            }
        }
        CheckReport {
            ok: problems.is_empty(),
            problems,
            executions: self.executions.len() as u64,
            events,
        }
    }
}
