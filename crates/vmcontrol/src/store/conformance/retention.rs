//! Cases about retention and maintenance.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;
use vmapi_types::SessionStatus;

use super::records::{PLENTY, at, ended, running, session};
use crate::store::{RecordNumber, Store, Within};

/// A time that no removal exceeds.
const LONG: Duration = Duration::from_mins(1);

async fn exists(store: &dyn Store, execution: Uuid) -> bool {
    let found = store.get_execution(execution, PLENTY).await.unwrap();
    matches!(found, Within::Fits(Some(_)))
}

/// All executions that ended before second 50, found in portions.
async fn expired(store: &dyn Store, limit: u32, sessions: Option<i64>) -> Vec<RecordNumber> {
    let mut after = Some(RecordNumber::START);
    let mut numbers = Vec::new();
    while let Some(number) = after {
        let found = store.expired_executions(at(50), sessions.map(at), number, limit);
        let found = found.await.unwrap();
        assert!(found.numbers.len() <= limit as usize);
        numbers.extend(found.numbers);
        after = found.next;
    }
    numbers
}

/// Executions that are running or ended later stay.
pub async fn expired_executions_are_found_in_portions_and_removed(store: &dyn Store) {
    let session_id = session(store).await;
    let old = [
        ended(store, session_id, 3, at(40)).await,
        ended(store, session_id, 40, at(41)).await,
    ];
    let kept = [
        running(store, session_id).await,
        ended(store, session_id, 2, at(60)).await,
    ];
    let numbers = expired(store, 100, None).await;
    assert_eq!(numbers.len(), 2);
    for limit in 1..=4 {
        assert_eq!(expired(store, limit, None).await, numbers, "{limit}");
    }
    assert_eq!(store.count_events(numbers.clone()).await.unwrap(), 43);
    // Without time each call removes a part.
    let (mut left, mut executions, mut events) = (numbers, 0, 0);
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        let removed = store.remove_executions(left.clone(), Duration::ZERO);
        let removed = removed.await.unwrap();
        assert!(removed.events > 0 || removed.handled > 0);
        left.drain(..removed.handled);
        executions += removed.executions;
        events += removed.events;
        let report = store.check(Box::new(HashSet::new)).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
    assert_eq!((left.len(), executions, events), (0, 2, 43));
    for id in old {
        assert!(!exists(store, id).await);
    }
    for id in kept {
        assert!(exists(store, id).await);
    }
    assert!(expired(store, 100, None).await.is_empty());
    // Numbers of running and of missing executions are skipped.
    let all = (0..9).map(RecordNumber).collect();
    let removed = store.remove_executions(all, LONG).await.unwrap();
    assert_eq!((removed.handled, removed.executions), (9, 1));
    assert!(exists(store, kept[0]).await);
}

/// Executions of expired sessions are left out: they are removed with their sessions.
pub async fn executions_of_expired_sessions_are_left_out(store: &dyn Store) {
    let (live, over) = (session(store).await, session(store).await);
    ended(store, over, 1, at(40)).await;
    ended(store, live, 1, at(40)).await;
    let closed = store.end_session(over, SessionStatus::Closed, at(45), None);
    closed.await.unwrap();
    let all = expired(store, 100, None).await;
    assert_eq!(all.len(), 2);
    assert_eq!(expired(store, 100, Some(50)).await, all[1..]);
    assert_eq!(expired(store, 100, Some(42)).await, all);
}

/// A session is removed once it has ended and has no executions.
pub async fn a_session_goes_with_its_executions(store: &dyn Store) {
    let mut ids = Vec::new();
    for (status, seconds) in [
        (SessionStatus::Closed, 40),
        (SessionStatus::Crashed, 41),
        (SessionStatus::Closed, 42),
        (SessionStatus::Closed, 60),
    ] {
        let id = session(store).await;
        ended(store, id, 2, at(39)).await;
        ended(store, id, 2, at(39)).await;
        ids.push(id);
        let ended = store.end_session(id, status, at(seconds), None);
        ended.await.unwrap();
    }
    let open = session(store).await;
    let unsettled = running(store, ids[2]).await;
    let find = async |after, limit| {
        let found = store.expired_sessions(at(50), after, limit);
        found.await.unwrap()
    };
    let found = find(RecordNumber::START, 9).await;
    assert_eq!(found.len(), 2, "one has an execution that runs");
    assert_eq!(find(RecordNumber::START, 1).await, found[..1]);
    assert_eq!(find(found[0], 9).await, found[1..]);
    assert!(!store.remove_session(found[0]).await.unwrap());
    for session in found {
        let first = store.executions_of_session(session, RecordNumber::START, 1);
        let first = first.await.unwrap();
        let last = first.next.expect("there is another one");
        assert_eq!(first.numbers, [last]);
        let rest = store.executions_of_session(session, last, 9).await.unwrap();
        assert_eq!((rest.numbers.len(), rest.next), (1, None));
        let numbers = [first.numbers, rest.numbers].concat();
        let removed = store.remove_executions(numbers, LONG).await.unwrap();
        assert_eq!((removed.executions, removed.events), (2, 4));
        assert!(store.remove_session(session).await.unwrap());
        assert!(!store.remove_session(session).await.unwrap());
    }
    for (id, is_kept) in ids.into_iter().zip([false, false, true, true]) {
        let found = store.get_session(id).await.unwrap();
        assert_eq!(found.is_some(), is_kept);
    }
    assert!(store.get_session(open).await.unwrap().is_some());
    assert!(exists(store, unsettled).await);
}

/// A copy, a check and a vacuum change no record.
pub async fn a_sound_store_is_checked_copied_and_made_smaller(store: &dyn Store) {
    let id = ended(store, session(store).await, 3, at(40)).await;
    let report = store.check(Box::new(HashSet::new)).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.executions, report.events), (1, 3));
    let copy = store.back_up().await.unwrap();
    assert!(copy.metadata().unwrap().len() > 0);
    store.vacuum().await.unwrap();
    assert!(exists(store, id).await);
}
