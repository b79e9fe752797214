//! A store that can't be written to for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use uuid::Uuid;

use super::Fixture;
use crate::{Error, FollowItem, RunOptions};

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
    let lock = fixture.store.refuse_writes();
    assert!(matches!(run(None).await, Err(Error::Unavailable { .. })));
    let mut follower = fixture.control.follow(id, 0).await.unwrap();
    let again = run(Some(Duration::ZERO)).await;
    assert!(matches!(again, Err(Error::Unavailable { .. })), "{again:?}");
    drop(lock);
    let settled = run(None).await.unwrap().into_execution();
    let error = settled.error.as_ref().unwrap().get();
    assert!(error.contains("RUNTIME_CRASHED"), "{error}");
    assert_eq!(fixture.runtime.runs.load(Ordering::Relaxed), 1);
    let end = loop {
        if let FollowItem::End(end) = follower.next().await.unwrap() {
            break end;
        }
    };
    assert_eq!(end.value.error.unwrap().get(), error);
}

#[tokio::test]
async fn what_was_undone_before_it_could_not_be_recorded_is_said_to_be() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let lock = fixture.store.refuse_writes();
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
