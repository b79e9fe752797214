//! Writes and reads of an open database: a full disk, a lock, a removal, the end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use vmapi_types::Timestamp;
use vmcontrol::store::{RecordNumber, Store};
use vmcontrol::{Error, SessionFilter};

use super::Fixture;

#[tokio::test]
async fn a_full_disk_is_reported_and_loses_nothing_and_writes_go_on_afterwards() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let limit = |pages: i64| {
        fixture.store.write(move |connection| {
            let pages = if pages == 0 {
                connection.pragma_query_value(None, "page_count", |row| row.get(0))?
            } else {
                pages
            };
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            Ok(())
        })
    };
    let run = |code: String| fixture.run(session, code);
    let before = run("a value commit".into()).await.unwrap();
    limit(0).await.unwrap();
    let mut error = None;
    for _ in 0..100 {
        if let Err(failed) = run(format!("{} value commit", "x".repeat(5000))).await {
            error = Some(failed);
            break;
        }
    }
    let Some(Error::Unavailable { message }) = error else {
        panic!("{error:?}");
    };
    assert!(message.contains("disk"), "{message}");
    assert_eq!(fixture.events(before.id, 0).await.len(), 3);
    limit(1_000_000).await.unwrap();
    run("b value commit".into()).await.unwrap();
}

#[tokio::test]
async fn events_are_removed_from_the_end_a_few_at_a_time() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    // Each execution has 38 events of its own, an echo and a value.
    let script = format!("{}value commit", "a ".repeat(38));
    for _ in 0..2 {
        fixture.run(session, &script).await.unwrap();
    }
    // Without time, one call removes one step.
    let remove = async |numbers: &[i64]| {
        let numbers: Vec<_> = numbers.iter().copied().map(RecordNumber).collect();
        let removed = fixture.store.remove_executions(numbers, Duration::ZERO);
        let removed = removed.await.unwrap();
        let report = fixture.store.check(Box::new(HashSet::new)).await.unwrap();
        (removed.handled, removed.events, report.problems)
    };
    assert_eq!(remove(&[1, 2]).await, (0, 32, vec![]));
    assert_eq!(remove(&[1, 2]).await, (1, 8, vec![]));
    assert_eq!(remove(&[2]).await, (0, 32, vec![]));
    assert_eq!(remove(&[2]).await, (1, 8, vec![]));
    assert_eq!(remove(&[2]).await, (1, 0, vec![]));
}

#[tokio::test]
async fn executions_with_times_of_a_wrong_clock_do_not_keep_others_from_removal() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    for _ in 0..3 {
        fixture.run(session, "value commit").await.unwrap();
    }
    let year = i64::try_from(Duration::from_hours(365 * 24).as_micros()).unwrap();
    let dated = fixture.store.write(move |connection| {
        for (number, by) in [(1, year), (2, -year), (3, -year)] {
            connection.execute(
                "UPDATE execution SET started_at = started_at + ?1, ended_at = ended_at + ?1 WHERE n = ?2",
                (by, number),
            )?;
        }
        Ok(())
    });
    dated.await.unwrap();
    for limit in [1, 2, 3, 100] {
        let (before, mut after) = (Timestamp::now(), Some(RecordNumber::START));
        let mut numbers = Vec::new();
        while let Some(number) = after {
            let found = fixture
                .store
                .expired_executions(before, None, number, limit);
            let found = found.await.unwrap();
            numbers.extend(found.numbers.into_iter().map(|RecordNumber(number)| number));
            after = found.next;
        }
        assert_eq!(numbers, [2, 3], "portions of {limit}");
    }
}

#[tokio::test]
async fn a_store_is_closed_though_long_queries_run_and_wait() {
    let fixture = Fixture::new().await;
    let store = Arc::clone(&fixture.store);
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let (begun, has_begun) = oneshot::channel();
    let mut begun = Some(begun);
    let queries: Vec<_> = (0..3)
        .map(|_| {
            let (store, begun) = (Arc::clone(&store), begun.take());
            tokio::spawn(async move {
                let query = store.read_long(move |connection, _| {
                    let _ = begun.map(|begun| begun.send(()));
                    Ok(connection.query_row(endless, [], |row| row.get::<_, i64>(0))?)
                });
                query.await
            })
        })
        .collect();
    has_begun.await.unwrap();
    store.close().await;
    for query in queries {
        assert!(query.await.unwrap().unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_lock_of_another_program_is_reported_and_writes_go_on_afterwards() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let lock = fixture.lock_store().await;
    let refused = fixture.run(session, "value commit").await.unwrap_err();
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
    let filter = SessionFilter::default();
    let listed = fixture
        .control
        .list_sessions(filter, vmcontrol::testing::PAGE);
    assert_eq!(listed.await.unwrap().items.len(), 1, "reads go on");
    drop(lock);
    fixture.run(session, "value commit").await.unwrap();
}

#[tokio::test]
async fn what_was_answered_is_in_a_copy_of_the_files() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let execution = fixture.run(session, "a b value commit").await.unwrap();
    // The files as they are now are what a killed daemon leaves.
    let copy = tempfile::tempdir().unwrap();
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(fixture.dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let next = Fixture::on(copy).await;
    let found = next.control.get_execution(execution.id).await.unwrap();
    assert_eq!(found.status, execution.status);
    assert_eq!(next.events(execution.id, 0).await.len(), 4);
}
