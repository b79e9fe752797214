//! Portions of lists.

use std::collections::BTreeMap;

use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, Session, SessionStatus};

use super::data::Data;
use crate::store::{ExecutionQuery, Page, Portion, RecordNumber, SessionQuery};

impl Data {
    pub(super) fn list_sessions(&self, query: SessionQuery) -> Option<Portion<Session>> {
        let starting = (query.starting)();
        let filter = query.filter;
        let counts_as = |session: &Session| match session.status {
            SessionStatus::Ready if starting.contains(&session.id) => SessionStatus::Starting,
            status => status,
        };
        let is_wanted = |session: &Session| {
            filter
                .status
                .is_none_or(|status| status == counts_as(session))
                && filter.template_id.is_none_or(|id| id == session.vm_id)
                && filter
                    .workspace_id
                    .as_ref()
                    .is_none_or(|id| *id == session.workspace_id)
        };
        let id = |session: &Session| session.id;
        portion(&self.sessions, query.page, query.max_bytes, id, |session| {
            is_wanted(session).then(|| (session.clone(), session_bytes(session)))
        })
    }

    pub(super) fn list_executions(&self, query: &ExecutionQuery) -> Option<Portion<Execution>> {
        let counts_as = |record: &Execution| {
            if query.running.contains(&record.id) {
                ExecutionStatus::Running
            } else {
                record.status
            }
        };
        let filter = query.filter;
        let is_wanted = |record: &Execution| {
            record.session_id == query.session_id
                && filter
                    .status
                    .is_none_or(|status| status == counts_as(record))
                && filter.kind.is_none_or(|kind| kind == record.kind)
        };
        portion(
            &self.executions,
            query.page,
            query.max_bytes,
            |execution| execution.record.id,
            |execution| {
                let record = &execution.record;
                is_wanted(record).then(|| (record.clone(), execution_bytes(record)))
            },
        )
    }
}

/// A portion of a table, newest first; `None` when the page begins at a record that does not exist.
/// `item` gives the item of a record and its size in bytes; `None` leaves the record out.
fn portion<T, U>(
    table: &BTreeMap<RecordNumber, T>,
    page: Page,
    max_bytes: usize,
    id: impl Fn(&T) -> Uuid,
    item: impl Fn(&T) -> Option<(U, usize)>,
) -> Option<Portion<U>> {
    let number_of = |wanted| {
        let mut all = table.iter();
        let found = all.find(|(_, record)| id(record) == wanted);
        found.map(|(number, _)| *number)
    };
    let (mut before, mut after) = (None, None);
    for (bound, wanted) in [(&mut before, page.before), (&mut after, page.after)] {
        if let Some(wanted) = wanted {
            *bound = Some(number_of(wanted)?);
        }
    }
    let mut within: Vec<_> = table
        .iter()
        .filter(|(number, _)| before.is_none_or(|before| **number < before))
        .filter(|(number, _)| after.is_none_or(|after| **number > after))
        .filter_map(|(_, record)| item(record))
        .collect();
    if !page.is_ascending() {
        within.reverse();
    }
    let mut portion = Portion::default();
    for (item, bytes) in within {
        if !portion.has_room(bytes, page.limit as usize, max_bytes) {
            break;
        }
        portion.items.push(item);
    }
    if page.is_ascending() {
        portion.items.reverse();
    }
    Some(portion)
}

fn session_bytes(session: &Session) -> usize {
    let meta = session.runtime_meta.as_ref();
    session.workspace_id.len()
        + session.base_commit_oid.len()
        + session.worktree_path.len()
        + session.last_error.as_ref().map_or(0, String::len)
        + meta.map_or(0, |meta| meta.get().len())
}

/// The size of the texts of a record, in bytes.
pub(super) fn execution_bytes(record: &Execution) -> usize {
    let texts = [record.input.as_deref(), record.path.as_deref()];
    let payloads = [&record.result, &record.error];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    let payloads = payloads.into_iter().flatten().map(|json| json.get().len());
    texts + payloads.sum::<usize>() + record.args.get().len() + record.env.get().len()
}
