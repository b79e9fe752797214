use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;
use vmapi_types::{Event, EventType, SessionStatus, Timestamp};

use super::{Fixture, PAGE};
use crate::execution::failure::payload;
use crate::store::check::Live;
use crate::{
    Error, FollowItem, LockError, OpenError, Page, RunOptions, SessionFilter, Store, store,
};

fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(path)
}

fn refused(path: &Path) -> String {
    let Err(error) = open(path) else {
        panic!("{} was opened", path.display());
    };
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    text
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing_and_is_recovered_from() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let limit = |pages: i64| {
        fixture.control.store().write(move |connection| {
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

#[test]
fn a_second_holder_is_refused_with_the_first_ones_process_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let _first = open(&path).unwrap();
    let second = open(&path);
    let Err(OpenError::Lock(LockError::Held { holder, .. })) = &second else {
        panic!("it was opened");
    };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(refused(&path).contains(&std::process::id().to_string()));
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text");
    std::fs::write(&text, "not a database at all").unwrap();
    assert!(refused(&text).contains("not an SQLite database"));
    assert_eq!(std::fs::read(&text).unwrap(), b"not a database at all");

    let foreign = dir.path().join("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
    connection.close().unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(refused(&foreign).contains("another program"));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
}

#[test]
fn a_file_of_nothing_but_zeros_is_left_to_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    std::fs::write(&path, [0; 4096]).unwrap();
    assert!(refused(&path).contains("not an SQLite database"));
    // What a loss of power may leave of the first transaction: a file that was made longer, and the journal that says that it
    // was empty.
    let whole = dir.path().join("whole.db");
    let connection = Connection::open(&whole).unwrap();
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(200000))")
        .unwrap();
    std::fs::copy(
        dir.path().join("whole.db-journal"),
        dir.path().join("a.db-journal"),
    )
    .unwrap();
    let length = std::fs::metadata(&whole).unwrap().len();
    assert!(length > 0);
    std::fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    drop(open(&path).unwrap());
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    drop(open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    connection.close().unwrap();
    assert!(refused(&path).contains("schema 99"));
}

#[test]
fn a_missing_directory_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let text = refused(&dir.path().join("missing/a.db"));
    assert!(text.contains("does not exist"), "{text}");
}

#[test]
fn the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let _store = open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_could_not_be_recorded_does_not_run_again_and_ends_when_the_store_does() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let id = Uuid::new_v4();
    let options = |wait| RunOptions {
        execution_id: Some(id),
        wait,
        ..RunOptions::default()
    };
    let run = async |wait| {
        let code = "x ".repeat(1000) + "value commit";
        fixture
            .control
            .run_repl(session, code, &options(wait))
            .await
    };
    let lock = fixture.lock_store().await;
    assert!(matches!(run(None).await, Err(Error::Unavailable { .. })));
    let mut feed = fixture.control.follow(id, 0).await.unwrap();
    let again = run(Some(Duration::ZERO)).await;
    assert!(matches!(again, Err(Error::Unavailable { .. })), "{again:?}");
    drop(lock);
    let settled = run(None).await.unwrap().into_execution();
    let error = settled.error.as_ref().unwrap().get();
    assert!(error.contains("RUNTIME_CRASHED"), "{error}");
    assert_eq!(fixture.runtime.runs.load(Ordering::Relaxed), 1);
    let end = loop {
        if let FollowItem::End(end) = feed.next().await.unwrap() {
            break end;
        }
    };
    assert_eq!(end.value.error.unwrap().get(), error);
}

#[tokio::test]
async fn what_was_undone_before_it_could_not_be_recorded_is_said_to_be() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let lock = fixture.lock_store().await;
    for (script, said) in [
        ("timeout", "the session is as it was before"),
        ("hang", "the session is as it was before"),
        ("value commit", "look at the session's state"),
    ] {
        let Err(Error::Unavailable { message }) = fixture.run(session, script).await else {
            panic!("it was recorded");
        };
        assert!(message.contains(said), "{message}");
    }
    drop(lock);
}

#[tokio::test]
async fn events_are_not_appended_behind_a_gap() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let execution = fixture.run(session, "a value commit").await.unwrap().id;
    let append = async |execution_id, seq| {
        let event = Event {
            execution_id,
            seq,
            ts: Timestamp::now(),
            kind: EventType::Console,
            payload: payload(&"text"),
        };
        let store = fixture.control.store();
        store
            .write(move |connection| store::event::append(connection, execution_id, &[event]))
            .await
    };
    for (id, seq) in [(execution, 5), (execution, 3), (Uuid::new_v4(), 1)] {
        let refused = append(id, seq).await.unwrap_err();
        assert!(refused.is_transient(), "{refused}");
        assert!(
            refused.to_string().contains("could not be written"),
            "{refused}"
        );
    }
    append(execution, 4).await.unwrap();
}

#[tokio::test]
async fn events_are_removed_from_the_end_a_few_at_a_time() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    // Those of its own, and the two that each has.
    let script = format!("{}value commit", "a ".repeat(38));
    for _ in 0..2 {
        fixture.run(session, &script).await.unwrap();
    }
    // As much as goes when there is no time: a step.
    let remove = async |numbers: &'static [i64]| {
        let removed = fixture.control.store().write(|connection| {
            let gone = store::maintenance::remove_executions(connection, numbers, Duration::ZERO)?;
            let report = store::check::check(connection, &Live::Known(&HashSet::new))?;
            Ok((gone.dealt_with, gone.events, report.problems))
        });
        removed.await.unwrap()
    };
    assert_eq!(remove(&[1, 2]).await, (0, 32, vec![]));
    assert_eq!(remove(&[1, 2]).await, (1, 8, vec![]));
    assert_eq!(remove(&[2]).await, (0, 32, vec![]));
    assert_eq!(remove(&[2]).await, (1, 8, vec![]));
    assert_eq!(remove(&[2]).await, (1, 0, vec![]));
}

#[tokio::test]
async fn executions_that_a_wrong_clock_dated_do_not_keep_the_others() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    for _ in 0..3 {
        fixture.run(session, "value commit").await.unwrap();
    }
    let year = i64::try_from(Duration::from_hours(365 * 24).as_micros()).unwrap();
    let dated = fixture.control.store().write(move |connection| {
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
        let old = fixture.control.store().read(move |connection| {
            let (before, mut after) = (Timestamp::now(), Some(0));
            let mut numbers = Vec::new();
            while let Some(number) = after {
                let old =
                    store::maintenance::old_executions(connection, before, None, number, limit)?;
                numbers.extend(old.numbers);
                after = old.next;
            }
            Ok(numbers)
        });
        assert_eq!(old.await.unwrap(), [2, 3], "portions of {limit}");
    }
}

#[tokio::test]
async fn a_store_is_closed_though_long_queries_run_and_wait() {
    let fixture = Fixture::new().await;
    let store = fixture.control.store().clone();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let (begun, has_begun) = oneshot::channel();
    let mut begun = Some(begun);
    let queries: Vec<_> = (0..3)
        .map(|_| {
            let (store, begun) = (store.clone(), begun.take());
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
async fn the_sessions_that_start_are_listed_as_that() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(fixture.session().await);
    }
    let list = async |status, starting: &[Uuid], limit| {
        let filter = SessionFilter {
            status,
            ..SessionFilter::default()
        };
        let page = Page { limit, ..PAGE };
        let starting = starting.to_vec();
        let listed = fixture.control.store().read(move |connection| {
            store::session::list(connection, &filter, page, usize::MAX, || starting)
        });
        let portion = listed.await.unwrap().unwrap();
        let items = portion.items.into_iter();
        let items: Vec<_> = items.map(|session| (session.id, session.status)).collect();
        (items, portion.has_more)
    };
    let (ready, starting) = (SessionStatus::Ready, SessionStatus::Starting);
    let newest = [ids[3]];
    assert_eq!(
        list(Some(ready), &newest, 1).await,
        (vec![(ids[2], ready)], true)
    );
    assert_eq!(
        list(Some(starting), &newest, 1).await,
        (vec![(ids[3], starting)], false)
    );
    assert_eq!(
        list(None, &newest, 2).await,
        (vec![(ids[3], starting), (ids[2], ready)], true)
    );
    assert_eq!(list(Some(starting), &[], 9).await, (vec![], false));
}
