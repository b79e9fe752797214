//! Cases about sessions.

use uuid::Uuid;
use vmapi_types::{Session, SessionStatus};

use super::records::{PAGE, PLENTY, at, new_session, session, sessions, store_session};
use crate::store::{Page, SessionFilter, SessionQuery, Store};

async fn get(store: &dyn Store, id: Uuid) -> Session {
    store.get_session(id).await.unwrap().unwrap()
}

/// A record is read as it was written, in each of its statuses.
pub async fn a_session_goes_from_starting_to_ready_to_closed(store: &dyn Store) {
    let new = new_session(SessionStatus::Starting);
    store_session(store, &new).await.unwrap();
    let stored = get(store, new.id).await;
    let meta = |session: &Session| session.runtime_meta.as_ref().unwrap().get().to_owned();
    assert_eq!(meta(&stored), meta(&new));
    assert_eq!(stored.worktree_path, new.worktree_path);
    assert_eq!(stored.status, SessionStatus::Starting);
    store.set_session_ready(new.id).await.unwrap();
    assert_eq!(get(store, new.id).await.status, SessionStatus::Ready);
    let closed = SessionStatus::Closed;
    let ended = store.end_session(new.id, closed, at(70), None);
    ended.await.unwrap();
    store.set_session_ready(new.id).await.unwrap();
    let stored = get(store, new.id).await;
    assert_eq!((stored.status, stored.closed_at), (closed, Some(at(70))));
    assert_eq!(stored.last_error, None);
    assert!(store.get_session(Uuid::new_v4()).await.unwrap().is_none());
    let unknown = store.end_session(Uuid::new_v4(), closed, at(70), None);
    unknown.await.unwrap();
}

/// A crashed session can be closed, and keeps the time and the reason of the crash. A closed
/// session stays as it is.
pub async fn the_first_end_of_a_session_stays(store: &dyn Store) {
    let id = session(store).await;
    let (crashed, closed) = (SessionStatus::Crashed, SessionStatus::Closed);
    let seen = async || {
        let session = get(store, id).await;
        let error = session.last_error.unwrap_or_default();
        (session.status, session.closed_at, error)
    };
    let end = async |status, seconds, error: Option<&str>| {
        let ended = store.end_session(id, status, at(seconds), error.map(str::to_owned));
        ended.await.unwrap();
    };
    end(crashed, 70, Some("struck")).await;
    assert_eq!(seen().await, (crashed, Some(at(70)), "struck".into()));
    end(closed, 80, None).await;
    assert_eq!(seen().await, (closed, Some(at(70)), "struck".into()));
    end(crashed, 90, Some("again")).await;
    assert_eq!(seen().await, (closed, Some(at(70)), "struck".into()));
}

/// The second session of an id is refused.
pub async fn an_id_is_had_by_one_session(store: &dyn Store) {
    let new = new_session(SessionStatus::Ready);
    store_session(store, &new).await.unwrap();
    let refused = store_session(store, &new).await.unwrap_err();
    assert!(refused.is_duplicate(), "{refused}");
}

/// When a daemon stops, the open sessions are closed and counted.
pub async fn open_sessions_are_closed_together(store: &dyn Store) {
    let mut ids = Vec::new();
    for status in SessionStatus::ALL {
        let new = new_session(status);
        store_session(store, &new).await.unwrap();
        ids.push((new.id, status));
    }
    let closed = store.close_sessions(at(90), "stopped").await.unwrap();
    assert_eq!(closed, 2);
    for (id, status) in ids {
        let stored = get(store, id).await;
        match status {
            SessionStatus::Starting | SessionStatus::Ready => {
                assert_eq!(stored.status, SessionStatus::Closed);
                assert_eq!(stored.closed_at, Some(at(90)));
                assert_eq!(stored.last_error.as_deref(), Some("stopped"));
            }
            SessionStatus::Crashed | SessionStatus::Closed => {
                assert_eq!((stored.status, stored.last_error), (status, None));
            }
        }
    }
}

/// The newest session is first in both directions; a page after a cursor has the nearest newer
/// ones.
#[allow(
    clippy::many_single_char_names,
    reason = "they are the sessions in order"
)]
pub async fn sessions_are_paged_in_both_directions(store: &dyn Store) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(session(store).await);
    }
    let [a, b, c, d, e] = ids[..] else {
        panic!("{ids:?}");
    };
    for (limit, before, after, expected, has_more) in [
        (2, None, None, vec![e, d], true),
        (2, Some(d), None, vec![c, b], true),
        (2, Some(b), None, vec![a], false),
        (2, Some(a), None, vec![], false),
        (2, None, Some(a), vec![c, b], true),
        (2, None, Some(c), vec![e, d], false),
        (2, None, Some(e), vec![], false),
        (9, Some(e), Some(b), vec![d, c], false),
        (1, Some(e), Some(b), vec![d], true),
        (5, None, None, vec![e, d, c, b, a], false),
    ] {
        let page = Page {
            limit,
            before,
            after,
        };
        let found = sessions(store, SessionFilter::default(), page, &[]).await;
        assert_eq!(found, Some((expected, has_more)), "{page:?}");
    }
}

/// A cursor that is not the id of a session is reported.
pub async fn a_page_that_begins_nowhere_is_not_an_empty_one(store: &dyn Store) {
    session(store).await;
    let unknown = Some(Uuid::new_v4());
    for page in [
        Page {
            before: unknown,
            ..PAGE
        },
        Page {
            after: unknown,
            ..PAGE
        },
    ] {
        let found = sessions(store, SessionFilter::default(), page, &[]).await;
        assert_eq!(found, None);
    }
}

/// Sessions are filtered by status, template and workspace, and by all of them together.
pub async fn sessions_are_filtered(store: &dyn Store) {
    let mut all = Vec::new();
    for status in [SessionStatus::Ready, SessionStatus::Closed] {
        for workspace in ["one", "two"] {
            let mut new = new_session(status);
            new.workspace_id = workspace.into();
            store_session(store, &new).await.unwrap();
            all.push(new);
        }
    }
    let find = async |filter| sessions(store, filter, PAGE, &[]).await.unwrap().0;
    let ready = SessionFilter {
        status: Some(SessionStatus::Ready),
        ..SessionFilter::default()
    };
    assert_eq!(find(ready.clone()).await, [all[1].id, all[0].id]);
    let one = SessionFilter {
        workspace_id: Some("one".into()),
        ..SessionFilter::default()
    };
    assert_eq!(find(one).await, [all[2].id, all[0].id]);
    let of_template = SessionFilter {
        template_id: Some(all[3].vm_id),
        ..SessionFilter::default()
    };
    assert_eq!(find(of_template.clone()).await, [all[3].id]);
    let none = SessionFilter {
        status: ready.status,
        ..of_template
    };
    assert!(find(none).await.is_empty());
}

/// Sessions that the query names as starting count as starting.
pub async fn starting_sessions_are_found_as_that_and_returned_as_stored(store: &dyn Store) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(session(store).await);
    }
    let begun = new_session(SessionStatus::Starting);
    store_session(store, &begun).await.unwrap();
    let newest = ids[2];
    let find = async |status, starting: &[Uuid], limit| {
        let filter = SessionFilter {
            status,
            ..SessionFilter::default()
        };
        let page = Page { limit, ..PAGE };
        sessions(store, filter, page, starting).await.unwrap()
    };
    let (ready, starting) = (Some(SessionStatus::Ready), Some(SessionStatus::Starting));
    assert_eq!(find(ready, &[newest], 1).await, (vec![ids[1]], true));
    let both = vec![begun.id, newest];
    assert_eq!(find(starting, &[newest], 2).await, (both, false));
    assert_eq!(find(starting, &[], 9).await, (vec![begun.id], false));
    assert_eq!(
        find(None, &[newest], 2).await,
        (vec![begun.id, newest], true)
    );
    let query = SessionQuery {
        filter: SessionFilter::default(),
        page: PAGE,
        max_bytes: PLENTY,
        starting: Box::new(move || vec![newest]),
    };
    let listed = store.list_sessions(query).await.unwrap().unwrap();
    assert_eq!(listed.items[1].status, SessionStatus::Ready);
}

/// A portion has the size of the record that had no room.
pub async fn a_portion_of_sessions_ends_before_it_is_too_large(store: &dyn Store) {
    for _ in 0..3 {
        let mut new = new_session(SessionStatus::Ready);
        new.last_error = Some("x".repeat(1000));
        store_session(store, &new).await.unwrap();
    }
    let list = async |max_bytes| {
        let query = SessionQuery {
            filter: SessionFilter::default(),
            page: PAGE,
            max_bytes,
            starting: Box::new(Vec::new),
        };
        store.list_sessions(query).await.unwrap().unwrap()
    };
    let some = list(2900).await;
    assert_eq!((some.items.len(), some.has_more), (2, true));
    assert!((2000..2900).contains(&some.bytes), "{}", some.bytes);
    let left_out = some.left_out_bytes.unwrap();
    assert!((1000..1450).contains(&left_out), "{left_out}");
    let none = list(900).await;
    assert_eq!((none.items.len(), none.has_more), (0, true));
    let all = list(PLENTY).await;
    assert_eq!((all.items.len(), all.left_out_bytes), (3, None));
}
