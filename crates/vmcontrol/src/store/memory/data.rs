//! The tables, and the operations on sessions and ids.

use std::collections::BTreeMap;

use uuid::Uuid;
use vmapi_types::{
    Event, Execution, IdKind, Identified, Session, SessionStatus, TemplateDetails, Timestamp,
};

use crate::store::{RecordNumber, StoreError};

/// The tables.
#[derive(Clone, Default)]
pub(super) struct Data {
    /// The templates, in the order in which they were created.
    pub(super) templates: Vec<TemplateDetails>,
    pub(super) sessions: BTreeMap<RecordNumber, Session>,
    pub(super) executions: BTreeMap<RecordNumber, StoredExecution>,
}

/// An execution with its log.
#[derive(Clone)]
pub(super) struct StoredExecution {
    pub(super) record: Execution,
    /// The fingerprint of the request; `None` if it has none.
    pub(super) request: Option<String>,
    pub(super) events: Vec<Event>,
}

/// The number of the next record of a table.
pub(super) fn next_number<T>(table: &BTreeMap<RecordNumber, T>) -> RecordNumber {
    let last = table.keys().next_back().copied();
    RecordNumber(last.unwrap_or(RecordNumber::START).0 + 1)
}

impl Data {
    pub(super) fn session(&self, id: Uuid) -> Option<&Session> {
        self.sessions.values().find(|session| session.id == id)
    }

    fn session_mut(&mut self, id: Uuid) -> Option<&mut Session> {
        self.sessions.values_mut().find(|session| session.id == id)
    }

    pub(super) fn create_session(&mut self, session: Session) -> Result<(), StoreError> {
        if self.session(session.id).is_some() {
            return Err(StoreError::Duplicate("a session has the id".into()));
        }
        self.sessions.insert(next_number(&self.sessions), session);
        Ok(())
    }

    pub(super) fn set_session_ready(&mut self, id: Uuid) {
        if let Some(session) = self.session_mut(id)
            && session.status == SessionStatus::Starting
        {
            session.status = SessionStatus::Ready;
        }
    }

    pub(super) fn end_session(
        &mut self,
        id: Uuid,
        status: SessionStatus,
        ended_at: Timestamp,
        last_error: Option<String>,
    ) {
        if let Some(session) = self.session_mut(id)
            && session.status != SessionStatus::Closed
        {
            session.status = status;
            session.closed_at.get_or_insert(ended_at);
            session.last_error = last_error.or(session.last_error.take());
        }
    }

    pub(super) fn close_sessions(&mut self, closed_at: Timestamp, reason: &str) -> usize {
        let is_open = |session: &&mut Session| {
            matches!(
                session.status,
                SessionStatus::Starting | SessionStatus::Ready
            )
        };
        let mut closed = 0;
        for session in self.sessions.values_mut().filter(is_open) {
            session.status = SessionStatus::Closed;
            session.closed_at = Some(closed_at);
            session.last_error = Some(reason.to_owned());
            closed += 1;
        }
        closed
    }

    pub(super) fn ids_like(&self, prefix: &str, limit: usize) -> Vec<Identified> {
        let templates = || self.templates.iter();
        let capabilities = templates().flat_map(|details| &details.capabilities);
        let files = templates().flat_map(|details| &details.startup_files);
        let all = IdKind::ALL.map(|kind| match kind {
            IdKind::Template => templates().map(|details| details.template.id).collect(),
            IdKind::Capability => capabilities.clone().map(|part| part.id).collect(),
            IdKind::StartupFile => files.clone().map(|part| part.id).collect(),
            IdKind::Session => self.sessions.values().map(|session| session.id).collect(),
            IdKind::Execution => self.executions.values().map(|one| one.record.id).collect(),
        });
        let mut found = Vec::new();
        for (kind, ids) in IdKind::ALL.into_iter().zip(all) {
            let mut ids: Vec<Uuid> = ids;
            ids.retain(|id| id.to_string().starts_with(prefix));
            ids.sort_unstable();
            found.extend(
                ids.into_iter()
                    .take(limit)
                    .map(|id| Identified { id, kind }),
            );
        }
        found
    }
}
