//! Cases about the records of executions.

use serde_json::json;
use uuid::Uuid;
use vmapi_types::{
    Event, EventType, Execution, ExecutionKind, ExecutionStatus, IdKind, Metrics, SessionStatus,
};

use super::records::{
    PAGE, PLENTY, at, batch, capability, end, ended, executions, finish, insert, json,
    new_execution, numbers, running, session, startup_file, template,
};
use crate::store::{
    ExecutionFilter, ExecutionHead, Page, Store, TemplateChange, UnrecordedEnd, Within,
};

async fn get(store: &dyn Store, id: Uuid) -> Execution {
    match store.get_execution(id, PLENTY).await.unwrap() {
        Within::Fits(Some(execution)) => execution,
        other => panic!("{other:?}"),
    }
}

async fn last_event(store: &dyn Store, id: Uuid) -> Event {
    let events = store.events_after(id, 0, usize::MAX, PLENTY).await;
    events.unwrap().items.pop().unwrap()
}

/// The record, with its end, the fingerprint of its request and its head, is read as it was
/// written.
pub async fn a_record_is_read_as_it_was_written(store: &dyn Store) {
    let session_id = session(store).await;
    let mut new = new_execution(session_id);
    new.kind = ExecutionKind::RunFile;
    (new.input, new.path) = (None, Some("a.js".into()));
    (new.args, new.env) = (json(&json!({"b": [1]})), json(&json!({"c": "d"})));
    let permit = store.write_room().reserve().await.unwrap();
    let inserted = store.insert_execution(permit, new.clone(), Some("fingerprint".into()));
    inserted.unwrap().wait().await.unwrap();
    let stored = get(store, new.id).await;
    assert_eq!((&stored.input, &stored.path), (&new.input, &new.path));
    assert_eq!(stored.args.get(), new.args.get());
    assert_eq!(stored.env.get(), new.env.get());
    assert_eq!((stored.kind, stored.status), (new.kind, new.status));
    let head = ExecutionHead {
        session_id,
        has_ended: false,
    };
    assert_eq!(store.execution_head(new.id).await.unwrap(), Some(head));
    let request = store.execution_request(new.id).await.unwrap();
    assert_eq!(request.as_deref(), Some("fingerprint"));
    let last = end(ExecutionStatus::Ok, 2);
    finish(store, batch(new.id, 1..=2), last.clone())
        .await
        .unwrap();
    let stored = get(store, new.id).await;
    assert_eq!(stored.status, ExecutionStatus::Ok);
    assert_eq!(stored.ended_at, Some(last.ended_at));
    assert_eq!(stored.result.unwrap().get(), last.result.unwrap().get());
    assert_eq!(
        (stored.error.is_none(), stored.metrics),
        (true, last.metrics)
    );
    let head = ExecutionHead {
        has_ended: true,
        ..head
    };
    assert_eq!(store.execution_head(new.id).await.unwrap(), Some(head));
    let unknown = Uuid::new_v4();
    assert_eq!(store.execution_head(unknown).await.unwrap(), None);
    assert_eq!(store.execution_request(unknown).await.unwrap(), None);
    let without = running(store, session_id).await;
    assert_eq!(store.execution_request(without).await.unwrap(), None);
}

/// A record that is too large is not read, and the read returns its size.
pub async fn a_record_is_read_if_it_is_small_enough(store: &dyn Store) {
    let mut new = new_execution(session(store).await);
    new.input = Some("x".repeat(1000).into());
    insert(store, &new).await.unwrap();
    for (max_bytes, fits) in [(999, false), (1100, true)] {
        let plain = store.get_execution(new.id, max_bytes).await.unwrap();
        let synced = store.get_execution_synced(new.id, max_bytes).await.unwrap();
        let following = store.execution_after(new.session_id, None, max_bytes);
        for found in [plain, synced, following.await.unwrap()] {
            match found {
                Within::Fits(found) => assert!(fits && found.is_some()),
                Within::Needs(bytes) => assert!(!fits && bytes >= 2000, "{bytes}"),
            }
        }
    }
    let missing = store.get_execution(Uuid::new_v4(), 0).await.unwrap();
    assert!(matches!(missing, Within::Fits(None)));
}

/// A record is refused whose id is taken or whose session does not exist.
pub async fn an_execution_needs_an_id_of_its_own_and_a_session(store: &dyn Store) {
    let new = new_execution(session(store).await);
    insert(store, &new).await.unwrap();
    let refused = insert(store, &new).await.unwrap_err();
    assert!(refused.is_duplicate(), "{refused}");
    let orphan = new_execution(Uuid::new_v4());
    let refused = insert(store, &orphan).await.unwrap_err();
    assert!(refused.is_constraint() && !refused.is_duplicate());
    assert!(store.execution_head(orphan.id).await.unwrap().is_none());
}

/// An end that was stored too early is replaced, with more events behind those that are there.
pub async fn an_end_can_be_replaced(store: &dyn Store) {
    let id = ended(store, session(store).await, 2, at(40)).await;
    let mut undone = end(ExecutionStatus::Error, 3);
    (undone.result, undone.error) = (None, Some(json(&json!({"code": "X"}))));
    finish(store, batch(id, [3]), undone).await.unwrap();
    let stored = get(store, id).await;
    assert_eq!(stored.status, ExecutionStatus::Error);
    assert!(stored.result.is_none() && stored.error.is_some());
    assert_eq!(stored.metrics.events, 3);
    assert_eq!(numbers(store, id).await, [1, 2, 3]);
}

/// Executions are paged as sessions are; those of other sessions are not listed.
pub async fn executions_are_paged_in_both_directions(store: &dyn Store) {
    let (session_id, other) = (session(store).await, session(store).await);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(running(store, session_id).await);
        running(store, other).await;
    }
    let [a, b, c, d] = ids[..] else {
        panic!("{ids:?}");
    };
    for (before, after, expected, has_more) in [
        (None, None, vec![d, c], true),
        (Some(c), None, vec![b, a], false),
        (None, Some(a), vec![c, b], true),
        (None, Some(b), vec![d, c], false),
    ] {
        let page = Page {
            limit: 2,
            before,
            after,
        };
        let filter = ExecutionFilter::default();
        let found = executions(store, session_id, filter, page, &[]).await;
        assert_eq!(found, Some((expected, has_more)), "{page:?}");
    }
    let nowhere = Page {
        before: Some(Uuid::new_v4()),
        ..PAGE
    };
    let filter = ExecutionFilter::default();
    let found = executions(store, session_id, filter, nowhere, &[]).await;
    assert_eq!(found, None);
}

/// Executions are filtered by status and kind. Those that the query names as running count as
/// running.
pub async fn executions_are_filtered(store: &dyn Store) {
    let session_id = session(store).await;
    let done = ended(store, session_id, 1, at(40)).await;
    let committing = ended(store, session_id, 1, at(40)).await;
    let runs = running(store, session_id).await;
    let mut file = new_execution(session_id);
    file.kind = ExecutionKind::RunFile;
    insert(store, &file).await.unwrap();
    let find = async |status, kind| {
        let filter = ExecutionFilter { status, kind };
        let found = executions(store, session_id, filter, PAGE, &[committing]).await;
        found.unwrap().0
    };
    assert_eq!(find(Some(ExecutionStatus::Ok), None).await, [done]);
    let running = find(Some(ExecutionStatus::Running), None).await;
    assert_eq!(running, [file.id, runs, committing]);
    let kind = Some(ExecutionKind::RunFile);
    assert_eq!(find(None, kind).await, [file.id]);
    assert!(find(Some(ExecutionStatus::Ok), kind).await.is_empty());
}

/// The executions of a session are found one after the other, in the order in which they began.
pub async fn executions_follow_each_other_in_their_session(store: &dyn Store) {
    let (session_id, other) = (session(store).await, session(store).await);
    let first = running(store, session_id).await;
    running(store, other).await;
    let second = running(store, session_id).await;
    let next = async |after| match store.execution_after(session_id, after, PLENTY).await {
        Ok(Within::Fits(found)) => found.map(|execution| execution.id),
        other => panic!("{other:?}"),
    };
    assert_eq!(next(None).await, Some(first));
    assert_eq!(next(Some(first)).await, Some(second));
    assert_eq!(next(Some(second)).await, None);
}

/// What a daemon left unfinished is ended once, with a last event.
pub async fn what_was_running_is_settled(store: &dyn Store) {
    let session_id = session(store).await;
    let done = ended(store, session_id, 2, at(40)).await;
    let (silent, chatty) = (
        running(store, session_id).await,
        running(store, session_id).await,
    );
    super::records::append(store, batch(chatty, 1..=3))
        .await
        .unwrap();
    let error = json(&json!({"code": "LOST"}));
    let settle = async || {
        let settled = store.settle_unfinished(at(60), error.clone(), "killed");
        let settled = settled.await.unwrap();
        (settled.executions, settled.sessions)
    };
    assert_eq!(settle().await, (2, 1));
    for (id, events) in [(silent, 1), (chatty, 4)] {
        let stored = get(store, id).await;
        assert_eq!(stored.status, ExecutionStatus::Error);
        assert_eq!(stored.ended_at, Some(at(60)));
        assert_eq!(stored.error.unwrap().get(), error.get());
        let metrics = Metrics {
            events,
            ..Metrics::default()
        };
        assert_eq!(stored.metrics, metrics);
        assert_eq!(numbers(store, id).await, (1..=events).collect::<Vec<_>>());
        let last = last_event(store, id).await;
        assert_eq!(last.kind, EventType::Exception);
        assert_eq!((last.payload.get(), last.ts), (error.get(), at(60)));
    }
    let stored = store.get_session(session_id).await.unwrap().unwrap();
    assert_eq!(stored.status, SessionStatus::Closed);
    assert_eq!(stored.last_error.as_deref(), Some("killed"));
    assert_eq!(get(store, done).await.status, ExecutionStatus::Ok);
    assert_eq!(settle().await, (0, 0));
}

/// The end is stored with the record if that is missing, and with an event behind the stored ones;
/// it is refused if the session does not exist.
pub async fn an_end_that_could_not_be_recorded_is_recorded_later(store: &dyn Store) {
    let session_id = session(store).await;
    let (unknown, known) = (new_execution(session_id), new_execution(session_id));
    insert(store, &known).await.unwrap();
    super::records::append(store, batch(known.id, 1..=2))
        .await
        .unwrap();
    let finish = async |execution: Execution| {
        let finished = store.finish_unrecorded(UnrecordedEnd {
            execution,
            request: Some("fingerprint".into()),
            ended_at: at(60),
            error: json(&json!({"code": "LOST"})),
        });
        finished.await
    };
    for (execution, events) in [(&unknown, vec![1]), (&known, vec![1, 2, 3])] {
        finish(execution.clone()).await.unwrap();
        let stored = get(store, execution.id).await;
        assert_eq!(stored.status, ExecutionStatus::Error);
        assert_eq!(stored.metrics.events, events.len() as u64);
        assert_eq!(numbers(store, execution.id).await, events);
    }
    let request = store.execution_request(unknown.id).await.unwrap();
    assert_eq!(request.as_deref(), Some("fingerprint"));
    let orphan = new_execution(Uuid::new_v4());
    assert!(finish(orphan).await.unwrap_err().is_constraint());
}

/// Ids of all kinds are found, ordered by kind and id, at most `limit` of each kind.
pub async fn ids_are_found_by_their_start(store: &dyn Store) {
    let template = template(store, "template").await;
    let (part, file) = (capability(template, "A"), startup_file(template, "a.js", 1));
    for change in [
        TemplateChange::AddCapability(part.clone()),
        TemplateChange::AddStartupFile(file.clone()),
    ] {
        let changed = store.change_template(template, change, at(50));
        changed.await.unwrap();
    }
    let session = session(store).await;
    let execution = running(store, session).await;
    for (kind, id) in [
        (IdKind::Template, template),
        (IdKind::Capability, part.id),
        (IdKind::StartupFile, file.id),
        (IdKind::Session, session),
        (IdKind::Execution, execution),
    ] {
        for length in [36, 20] {
            let start = id.to_string()[..length].to_owned();
            let found = store.ids_like(start, 10).await.unwrap();
            let found: Vec<_> = found.iter().map(|found| (found.kind, found.id)).collect();
            assert_eq!(found, [(kind, id)]);
        }
    }
    let mut all = vec![execution];
    for _ in 0..4 {
        all.push(running(store, session).await);
    }
    all.sort_unstable();
    let found = store.ids_like(String::new(), 3).await.unwrap();
    let executions = found.iter().filter(|found| found.kind == IdKind::Execution);
    let executions: Vec<_> = executions.map(|found| found.id).collect();
    assert_eq!(executions, all[..3]);
}
