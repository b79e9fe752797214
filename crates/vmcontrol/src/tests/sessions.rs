//! Sessions: their startup files, their ends, and the timeouts that close them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, ExecutionKind, ExecutionStatus, Session, SessionStatus};

use super::{Fixture, PAGE};
use crate::runtime::SessionEnd;
use crate::store::memory::MemoryStore;
use crate::{Error, NewStartupFile, RunOptions, SessionFilter, Submitted};

pub(super) async fn add_startup_file(
    fixture: &Fixture,
    template: Uuid,
    path: &str,
    order_index: i64,
) {
    let file = NewStartupFile {
        path: path.into(),
        order_index,
        mode: "eval".into(),
    };
    fixture
        .control
        .add_startup_file(template, file)
        .await
        .unwrap();
}

/// Waits until a session is not `ready` any more, and returns its record.
async fn ended(fixture: &Fixture, session: Uuid) -> Session {
    loop {
        let record = fixture.control.get_session(session).await.unwrap();
        if record.status != SessionStatus::Ready {
            return record;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until no session takes executions.
async fn none_is_ready(fixture: &Fixture) {
    while fixture.control.summary().active_sessions > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn startup_files_run_in_order_and_are_recorded() {
    let fixture = Fixture::new().await;
    let template = fixture.template().await;
    for (path, order) in [("second.js", 2), ("first.js", 1)] {
        std::fs::write(fixture.dir.path().join(path), "value commit").unwrap();
        add_startup_file(&fixture, template, path, order).await;
    }
    let request = fixture.request(template);
    let session = fixture.control.create_session(request).await.unwrap();
    assert_eq!(session.status, SessionStatus::Ready);
    let executions = fixture.executions(session.id).await;
    let paths: Vec<_> = executions
        .iter()
        .map(|execution| execution.path.as_deref())
        .collect();
    assert_eq!(paths, [Some("second.js"), Some("first.js")]);
    assert!(
        executions
            .iter()
            .all(|execution| execution.kind == ExecutionKind::Startup)
    );
}

#[tokio::test]
async fn a_failing_startup_file_leaves_a_crashed_session_behind() {
    let fixture = Fixture::new().await;
    let template = fixture.template().await;
    std::fs::write(fixture.dir.path().join("bad.js"), "throw commit").unwrap();
    add_startup_file(&fixture, template, "bad.js", 0).await;
    let request = fixture.request(template);
    let error = fixture.control.create_session(request).await.unwrap_err();
    let Error::StartupFailed {
        session_id,
        execution_id,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    let session = fixture.control.get_session(session_id).await.unwrap();
    assert_eq!(session.status, SessionStatus::Crashed);
    assert!(session.last_error.unwrap().contains("bad.js"));
    let execution = fixture
        .control
        .get_execution(execution_id.unwrap())
        .await
        .unwrap();
    assert_eq!(execution.status, ExecutionStatus::Error);
    assert_eq!(fixture.control.summary().active_sessions, 0);
}

#[tokio::test]
async fn without_a_worker_the_answer_is_that_a_retry_may_help() {
    let fixture = Fixture::new().await;
    fixture.runtime.refuses.store(true, Ordering::Relaxed);
    let template = fixture.template().await;
    let request = fixture.request(template);
    let error = fixture.control.create_session(request).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let crashed = fixture
        .control
        .list_sessions(
            SessionFilter {
                status: Some(SessionStatus::Crashed),
                ..SessionFilter::default()
            },
            PAGE,
        )
        .await
        .unwrap();
    assert_eq!(crashed.items.len(), 1);
}

#[tokio::test]
async fn a_session_that_dies_is_crashed_with_the_reason() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let end = fixture.runtime.ends.lock().unwrap().pop().unwrap();
    end.send(SessionEnd {
        reason: "struck by lightning".into(),
    })
    .unwrap();
    let record = ended(&fixture, session).await;
    assert_eq!(record.status, SessionStatus::Crashed);
    assert_eq!(record.last_error.as_deref(), Some("struck by lightning"));
    let refused = fixture.run(session, "value commit").await;
    assert!(matches!(refused, Err(Error::SessionNotReady { .. })));
}

#[tokio::test]
async fn a_closed_session_stays_as_it_was_closed() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let closed = fixture.control.close_session(session).await.unwrap();
    assert_eq!(closed.status, SessionStatus::Closed);
    let again = fixture.control.close_session(session).await.unwrap();
    assert_eq!(again.closed_at, closed.closed_at);
}

#[tokio::test]
async fn a_stop_settles_everything_and_the_next_start_finds_nothing_to_do() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    fixture.control.shut_down(Duration::ZERO).await;
    let refused = fixture.run(session, "value commit").await;
    assert!(matches!(
        refused,
        Err(Error::Unavailable { .. } | Error::SessionNotReady { .. })
    ));
    let fixture = Fixture::on(fixture.store.copy()).await;
    let record = fixture.control.get_session(session).await.unwrap();
    assert_eq!(record.status, SessionStatus::Closed);
    assert_eq!(record.last_error.as_deref(), Some("the daemon was stopped"));
}

#[tokio::test]
async fn what_a_killed_daemon_left_is_settled_by_the_next() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let control = fixture.control.clone();
    tokio::spawn(async move {
        control
            .run_repl(session, "hang".into(), &RunOptions::default())
            .await
            .map(Submitted::into_execution)
    });
    let execution = loop {
        let executions = fixture.executions(session).await;
        if let Some(execution) = executions.into_iter().next() {
            break execution.id;
        }
        tokio::task::yield_now().await;
    };
    // The copy is the store that a daemon leaves which is killed now.
    let next = Fixture::on(fixture.store.copy()).await;
    let settled = next.control.get_execution(execution).await.unwrap();
    assert_eq!(settled.status, ExecutionStatus::Error);
    let events = next.events(execution, 0).await;
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let record = next.control.get_session(session).await.unwrap();
    assert_eq!(record.status, SessionStatus::Closed);
    assert!(record.last_error.is_some());
}

#[tokio::test]
async fn the_end_of_a_crashed_session_is_stored_once_the_store_takes_it() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let lock = fixture.store.refuse_writes();
    let end = fixture.runtime.ends.lock().unwrap().pop().unwrap();
    let reason = "struck by lightning".into();
    end.send(SessionEnd { reason }).unwrap();
    none_is_ready(&fixture).await;
    drop(lock);
    let record = ended(&fixture, session).await;
    assert_eq!(record.status, SessionStatus::Crashed);
}

#[tokio::test]
async fn the_end_of_a_closed_session_is_stored_once_the_store_takes_it() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let lock = fixture.store.refuse_writes();
    for _ in 0..2 {
        let refused = fixture.control.close_session(session).await;
        assert!(
            matches!(refused, Err(Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    drop(lock);
    let record = ended(&fixture, session).await;
    assert_eq!(record.status, SessionStatus::Closed);
    while fixture.control.inner().registry.get(session).is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_idle_session_is_closed_once_the_store_takes_it() {
    let idle = Some(Duration::from_millis(1));
    let fixture = Fixture::with(MemoryStore::default(), idle).await;
    let session = fixture.session().await;
    let lock = fixture.store.refuse_writes();
    none_is_ready(&fixture).await;
    drop(lock);
    let record = ended(&fixture, session).await;
    assert_eq!(record.status, SessionStatus::Closed);
    while fixture.control.inner().registry.get(session).is_some() {
        tokio::task::yield_now().await;
    }
}

/// Makes a session that is closed once it has had no follower for `timeout_ms`.
async fn unwatched(fixture: &Fixture, timeout_ms: u64) -> Uuid {
    let template = fixture.template().await;
    let request = CreateSessionRequest {
        unwatched_timeout_ms: Some(timeout_ms),
        ..fixture.request(template)
    };
    fixture.control.create_session(request).await.unwrap().id
}

#[tokio::test]
async fn a_session_that_needs_a_follower_lives_as_long_as_it_has_one() {
    let fixture = Fixture::new().await;
    let kept = unwatched(&fixture, 1000).await;
    let followers = [
        fixture.control.follow_session_status(kept).await.unwrap(),
        fixture.control.follow_session(kept, None).await.unwrap(),
    ];
    let alone = unwatched(&fixture, 1500).await;
    let record = ended(&fixture, alone).await;
    assert_eq!(record.status, SessionStatus::Closed);
    let reason = record.last_error.unwrap();
    assert!(reason.contains("unwatched_timeout_ms"), "{reason}");
    for follower in followers {
        let record = fixture.control.get_session(kept).await.unwrap();
        assert_eq!(record.status, SessionStatus::Ready);
        drop(follower);
    }
    let record = ended(&fixture, kept).await;
    assert_eq!(record.status, SessionStatus::Closed);
}
