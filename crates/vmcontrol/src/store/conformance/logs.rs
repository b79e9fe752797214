//! Cases about the event logs of executions.

use std::time::Duration;

use uuid::Uuid;
use vmapi_types::ExecutionStatus;

use super::records::{PLENTY, append, batch, end, ended, finish, numbers, running, session};
use crate::Budget;
use crate::store::{EVENT_BYTES, Store, StoreError, Within};

/// The events above a number are read in order, at most `limit` of them.
pub async fn events_are_read_by_number_in_portions(store: &dyn Store) {
    let id = running(store, session(store).await).await;
    let other = running(store, session(store).await).await;
    append(store, batch(other, 1..=2)).await.unwrap();
    append(store, batch(id, 1..=3)).await.unwrap();
    append(store, batch(id, [])).await.unwrap();
    append(store, batch(id, 4..=5)).await.unwrap();
    for (after, limit, expected, has_more) in [
        (0, 9, vec![1, 2, 3, 4, 5], false),
        (0, 2, vec![1, 2], true),
        (3, 2, vec![4, 5], false),
        (5, 2, vec![], false),
        (u64::MAX, 2, vec![], false),
    ] {
        let portion = store.events_after(id, after, limit, PLENTY).await.unwrap();
        let numbers: Vec<_> = portion.items.iter().map(|event| event.seq).collect();
        assert_eq!((numbers, portion.has_more), (expected, has_more));
        assert_eq!(portion.left_out_bytes, None);
    }
    let unknown = store.events_after(Uuid::new_v4(), 0, 9, PLENTY).await;
    assert!(unknown.unwrap().items.is_empty());
    let all = store.events_after(id, 0, 9, PLENTY).await.unwrap();
    let written = batch(id, [1]).events.remove(0);
    let read = &all.items[0];
    assert_eq!(read.payload.get(), written.payload.get());
    assert_eq!(
        (read.execution_id, read.ts, read.kind),
        (id, written.ts, written.kind)
    );
}

/// Each event counts with its payload and `EVENT_BYTES`.
pub async fn a_portion_of_events_ends_before_it_is_too_large(store: &dyn Store) {
    let id = running(store, session(store).await).await;
    append(store, batch(id, 1..=3)).await.unwrap();
    let bytes = EVENT_BYTES + batch(id, [1]).events[0].payload.get().len();
    for (max_bytes, expected) in [(bytes - 1, 0), (bytes, 1), (3 * bytes - 1, 2)] {
        let portion = store.events_after(id, 0, 9, max_bytes).await.unwrap();
        assert_eq!(portion.items.len(), expected, "{max_bytes}");
        assert!(portion.has_more);
        assert_eq!(portion.left_out_bytes, Some(bytes));
        assert_eq!(portion.bytes, expected * bytes);
    }
}

/// Events are refused that do not follow the last one, and those of no execution.
pub async fn a_log_has_no_gap(store: &dyn Store) {
    let id = running(store, session(store).await).await;
    append(store, batch(id, 1..=2)).await.unwrap();
    for (id, first) in [(id, 4), (id, 2), (Uuid::new_v4(), 1)] {
        let refused = append(store, batch(id, [first])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unreachable(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("could not be written"), "{said}");
    }
    append(store, batch(id, [3])).await.unwrap();
    assert_eq!(numbers(store, id).await, [1, 2, 3]);
}

/// The last events and the end are one write.
pub async fn events_come_with_the_end_or_not_at_all(store: &dyn Store) {
    let id = running(store, session(store).await).await;
    let refused = finish(store, batch(id, 2..=3), end(ExecutionStatus::Ok, 3)).await;
    assert!(refused.unwrap_err().is_transient());
    let head = store.execution_head(id).await.unwrap().unwrap();
    assert!(!head.has_ended);
    assert!(numbers(store, id).await.is_empty());
    let done = ended(store, head.session_id, 3, super::records::at(40)).await;
    assert_eq!(numbers(store, done).await, [1, 2, 3]);
    let found = store.get_execution(done, PLENTY).await.unwrap();
    assert!(matches!(found, Within::Fits(Some(record)) if record.metrics.events == 3));
}

/// The leases of events are given back once the events are stored or refused.
pub async fn the_room_of_events_is_given_back(store: &dyn Store) {
    let id = running(store, session(store).await).await;
    let budget = Budget::new(1024);
    for (number, is_stored) in [(1, true), (7, false)] {
        let mut batch = batch(id, [number]);
        batch.leases.extend(budget.try_take(1024));
        assert_eq!(batch.leases.len(), 1);
        assert!(budget.try_take(1024).is_none());
        assert_eq!(append(store, batch).await.is_ok(), is_stored);
        let given_back = tokio::time::timeout(Duration::from_secs(10), budget.wait_for(1024));
        assert!(given_back.await.is_ok());
    }
}
