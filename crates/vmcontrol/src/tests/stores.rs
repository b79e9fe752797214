use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use uuid::Uuid;

use super::Fixture;
use crate::{Error, FeedItem, LockError, OpenError, RunOptions, Store};

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
    assert_eq!(
        fixture
            .control
            .list_events(before.id, 0, usize::MAX)
            .await
            .unwrap()
            .len(),
        3
    );
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
        if let FeedItem::End(end) = feed.next().await.unwrap() {
            break end;
        }
    };
    assert_eq!(end.error.unwrap().get(), error);
}
