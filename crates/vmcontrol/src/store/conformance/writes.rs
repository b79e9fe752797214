//! Cases about writes: their order, their outcomes, and the end of a store.

use std::collections::HashSet;

use uuid::Uuid;
use vmapi_types::{ExecutionStatus, SessionStatus};

use super::records::{
    PLENTY, at, batch, end, executions, new_execution, new_session, new_template, numbers, running,
    session, store_session,
};
use crate::store::{
    ExecutionFilter, OnUnreadable, PendingWrite, RecordNumber, Store, StoreError, TemplateChange,
    TemplatePart, Urgency, WritePermit,
};

async fn permit(store: &dyn Store) -> WritePermit {
    store.write_room().reserve().await.unwrap()
}

async fn head(store: &dyn Store, id: Uuid) -> Option<bool> {
    let head = store.execution_head(id).await.unwrap();
    head.map(|head| head.has_ended)
}

/// Lazy and prompt writes are done in one order: each sees the writes before it.
pub async fn writes_are_done_in_the_order_of_submission(store: &dyn Store) {
    let execution = new_execution(session(store).await);
    let id = execution.id;
    let mut writes = Vec::new();
    let inserted = store.insert_execution(permit(store).await, execution, None);
    writes.push(inserted.unwrap());
    for number in 1..=20 {
        let urgency = match number % 3 {
            0 => Urgency::Prompt,
            _ => Urgency::Lazy,
        };
        let appended = store.append_events(permit(store).await, batch(id, [number]), urgency);
        writes.push(appended.unwrap());
    }
    let last = end(ExecutionStatus::Ok, 21);
    let finished = store.finish_execution(permit(store).await, batch(id, [21]), last);
    finished.unwrap().wait().await.unwrap();
    for mut write in writes {
        let outcome = write.outcome().expect("what came before is done");
        outcome.unwrap();
    }
    assert_eq!(numbers(store, id).await, (1..=21).collect::<Vec<_>>());
}

/// A lazy write is done without a prompt one after it.
pub async fn a_write_that_was_waited_for_is_seen_by_later_reads(store: &dyn Store) {
    let session_id = session(store).await;
    for _ in 0..20 {
        let execution = new_execution(session_id);
        let id = execution.id;
        let inserted = store.insert_execution(permit(store).await, execution, None);
        inserted.unwrap().wait().await.unwrap();
        assert_eq!(head(store, id).await, Some(false));
        let appended = store.append_events(permit(store).await, batch(id, [1]), Urgency::Lazy);
        appended.unwrap().wait().await.unwrap();
        assert_eq!(numbers(store, id).await, [1]);
    }
    let filter = ExecutionFilter::default();
    let found = executions(store, session_id, filter, super::records::PAGE, &[]).await;
    assert_eq!(found.unwrap().0.len(), 20);
}

/// After a sync all submitted writes are done.
pub async fn a_write_that_is_not_waited_for_is_done(store: &dyn Store) {
    let session_id = session(store).await;
    let (first, second) = (new_execution(session_id), new_execution(session_id));
    let ids = [first.id, second.id];
    let inserted = store.insert_execution(permit(store).await, first, None);
    drop(inserted.unwrap());
    let found = store.get_execution_synced(ids[0], PLENTY).await.unwrap();
    assert!(matches!(found, crate::store::Within::Fits(Some(_))));
    let inserted = store.insert_execution(permit(store).await, second, None);
    drop(inserted.unwrap());
    store.sync().await.unwrap();
    assert_eq!(head(store, ids[1]).await, Some(false));
}

/// A write that is refused fails no other write.
pub async fn a_write_that_fails_takes_no_other_along(store: &dyn Store) {
    let session_id = session(store).await;
    let before = new_execution(session_id);
    let orphan = new_execution(Uuid::new_v4());
    let after = new_execution(session_id);
    let mut pending: Vec<PendingWrite<()>> = Vec::new();
    for execution in [&before, &orphan, &after] {
        let inserted = store.insert_execution(permit(store).await, execution.clone(), None);
        pending.push(inserted.unwrap());
    }
    let mut outcomes = Vec::new();
    for write in pending {
        outcomes.push(write.wait().await.is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    assert_eq!(head(store, before.id).await, Some(false));
    assert_eq!(head(store, orphan.id).await, None);
    assert_eq!(head(store, after.id).await, Some(false));
}

/// More writes than the room holds at once are all done.
pub async fn many_writers_are_all_answered(store: &dyn Store) {
    let mut pending = Vec::new();
    let mut ids = HashSet::new();
    for _ in 0..1500 {
        let new = new_session(SessionStatus::Closed);
        ids.insert(new.id);
        let created = store.create_session(permit(store).await, new);
        pending.push(created.unwrap());
    }
    for write in pending {
        write.wait().await.unwrap();
    }
    for id in ids {
        assert!(store.get_session(id).await.unwrap().is_some());
    }
}

/// A write that was submitted before the close is done; all operations after it are refused.
pub async fn a_closed_store_has_done_what_was_submitted_and_refuses_the_rest(store: &dyn Store) {
    let session_id = session(store).await;
    let id = running(store, session_id).await;
    let (kept, spare) = (permit(store).await, permit(store).await);
    let appended = store.append_events(permit(store).await, batch(id, [1]), Urgency::Lazy);
    store.close().await;
    appended.unwrap().wait().await.unwrap();
    store.close().await;
    let is_closed = |error: StoreError| matches!(error, StoreError::Closed);
    let execution = new_execution(session_id);
    let refused = store.insert_execution(kept, execution, None);
    assert!(is_closed(refused.unwrap_err()));
    let refused = store.append_events(spare, batch(id, [2]), Urgency::Prompt);
    assert!(is_closed(refused.unwrap_err()));
    let new = new_session(SessionStatus::Ready);
    assert!(is_closed(store_session(store, &new).await.unwrap_err()));
    assert!(is_closed(store.sync().await.unwrap_err()));
    let (template, settings) = new_template("late");
    let template_id = template.id;
    let created = store.create_template(template, settings).await;
    assert!(is_closed(created.unwrap_err()));
    let change = TemplateChange::RemovePart(TemplatePart::Capability, id);
    let changed = store.change_template(template_id, change, at(50)).await;
    assert!(is_closed(changed.unwrap_err()));
    let ended = store.end_session(session_id, SessionStatus::Closed, at(50), None);
    assert!(is_closed(ended.await.unwrap_err()));
    assert!(is_closed(store.list_templates().await.unwrap_err()));
    let details = store.template_details(template_id, OnUnreadable::Refuse);
    assert!(is_closed(details.await.unwrap_err()));
    assert!(is_closed(store.get_session(session_id).await.unwrap_err()));
    assert!(is_closed(store.execution_head(id).await.unwrap_err()));
    let events = store.events_after(id, 0, 9, PLENTY).await;
    assert!(is_closed(events.unwrap_err()));
    let removed = store.remove_session(RecordNumber(1)).await;
    assert!(is_closed(removed.unwrap_err()));
    assert!(is_closed(store.back_up().await.unwrap_err()));
    assert!(is_closed(store.vacuum().await.unwrap_err()));
    let checked = store.check(Box::new(HashSet::new)).await;
    assert!(is_closed(checked.unwrap_err()));
}
