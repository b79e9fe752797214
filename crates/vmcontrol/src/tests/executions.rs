//! Executions, and what is recorded of them.

use std::time::Duration;

use uuid::Uuid;
use vmapi_types::{Event, EventType, ExecutionStatus, JsonObject};

use super::{Fixture, PAGE};
use crate::{Error, ExecutionFilter, FileRun, Page, RunOptions, Submitted};

async fn events(fixture: &Fixture, id: Uuid) -> Vec<Event> {
    let events = fixture.events(id, 0).await;
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(numbers, expected, "seq has no gaps");
    events
}

fn last(events: &[Event]) -> EventType {
    events.last().expect("an execution has events").kind
}

#[tokio::test]
async fn an_answered_execution_is_stored_with_its_events() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let code = "a b c value commit".to_owned();
    let execution = fixture.run(session, code).await.unwrap();
    assert_eq!(execution.status, ExecutionStatus::Ok);
    assert_eq!(execution.metrics.events, 5);
    let stored = fixture.control.get_execution(execution.id).await.unwrap();
    assert_eq!(stored.status, ExecutionStatus::Ok);
    assert_eq!(
        stored.value.result.unwrap().get(),
        execution.result.unwrap().get()
    );
    let events = events(&fixture, execution.id).await;
    assert_eq!(events[0].kind, EventType::InputEcho);
    assert_eq!(events.len(), 5);
    assert_eq!(last(&events), EventType::Value);
}

#[tokio::test]
async fn thousands_of_events_are_stored_in_order() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let code = format!("{} value commit", "line ".repeat(5000));
    let execution = fixture.run(session, code).await.unwrap();
    assert_eq!(events(&fixture, execution.id).await.len(), 5002);
    assert_eq!(fixture.events(execution.id, 5000).await.len(), 2);
}

#[tokio::test]
async fn an_exception_a_timeout_and_a_crash_have_their_status_and_last_event() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    for (code, status, end) in [
        ("throw commit", ExecutionStatus::Error, EventType::Exception),
        ("timeout", ExecutionStatus::Timeout, EventType::System),
        ("crash", ExecutionStatus::Error, EventType::Exception),
    ] {
        let execution = fixture.run(session, code).await.unwrap();
        assert_eq!(execution.status, status, "{code}");
        assert!(execution.error.is_some(), "{code}");
        assert_eq!(last(&events(&fixture, execution.id).await), end, "{code}");
    }
}

#[tokio::test]
async fn a_run_that_is_undone_after_its_value_was_seen_is_not_answered_as_ok() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let execution = fixture.run(session, "value crash").await.unwrap();
    assert_eq!(execution.status, ExecutionStatus::Error);
    assert!(execution.result.is_none());
    let stored = fixture.control.get_execution(execution.id).await.unwrap();
    assert_eq!(stored.status, ExecutionStatus::Error);
    assert!(stored.result.is_none());
    let events = events(&fixture, execution.id).await;
    assert_eq!(last(&events), EventType::Exception);
}

#[tokio::test]
async fn a_passed_output_limit_is_an_error_that_names_the_stored_execution() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let error = fixture.run(session, "one output").await.unwrap_err();
    let Error::OutputLimitExceeded { execution_id, .. } = error else {
        panic!("{error:?}");
    };
    let kinds: Vec<_> = events(&fixture, execution_id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            EventType::InputEcho,
            EventType::Console,
            EventType::System,
            EventType::Exception
        ]
    );
}

#[tokio::test]
async fn the_record_of_a_run_is_stored_before_it_touches_the_world() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    // The fake session goes on only when the recorder has stored the record.
    let execution = fixture
        .run(session, "before call after value commit")
        .await
        .unwrap();
    assert_eq!(events(&fixture, execution.id).await.len(), 4);
}

#[tokio::test]
async fn a_session_runs_one_thing_at_a_time() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let control = fixture.control.clone();
    let running = tokio::spawn(async move {
        control
            .run_repl(session, "hang".into(), &RunOptions::default())
            .await
            .map(Submitted::into_execution)
    });
    loop {
        let executions = fixture.executions(session).await;
        if executions.len() == 1 {
            assert_eq!(executions[0].status, ExecutionStatus::Running);
            break;
        }
        tokio::task::yield_now().await;
    }
    let refused = fixture.run(session, "value commit").await;
    assert!(
        matches!(refused, Err(Error::SessionBusy { .. })),
        "{refused:?}"
    );
    fixture.control.close_session(session).await.unwrap();
    let execution = running.await.unwrap().unwrap();
    assert_eq!(execution.status, ExecutionStatus::Cancelled);
}

#[tokio::test]
async fn an_execution_is_running_until_its_session_has_committed_or_rolled_back() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    for (end, status) in [
        ("commit", ExecutionStatus::Ok),
        ("crash", ExecutionStatus::Error),
    ] {
        let at_once = RunOptions {
            wait: Some(Duration::ZERO),
            ..RunOptions::default()
        };
        let submitted = fixture
            .control
            .run_repl(session, format!("value hold {end}"), &at_once);
        let Submitted::Running(execution) = submitted.await.unwrap() else {
            panic!("it waits");
        };
        let id = execution.id;
        // The value is recorded, and with it an end that is preliminary.
        while events(&fixture, id).await.len() < 2 {
            tokio::task::yield_now().await;
        }
        let seen = fixture.control.get_execution(id).await.unwrap();
        assert_eq!(
            (seen.status, seen.ended_at),
            (ExecutionStatus::Running, None)
        );
        assert!(seen.result.is_none());
        assert_eq!(
            fixture.executions(session).await[0].status,
            ExecutionStatus::Running
        );
        for (filter, is_in) in [
            (ExecutionStatus::Running, true),
            (ExecutionStatus::Ok, false),
        ] {
            let filter = ExecutionFilter {
                status: Some(filter),
                kind: None,
            };
            let listed = fixture.control.list_executions(session, filter, PAGE).await;
            let items = listed.unwrap().value.items;
            assert_eq!(items.iter().any(|execution| execution.id == id), is_in);
        }
        fixture.runtime.let_go.add_permits(1);
        while fixture.control.get_execution(id).await.unwrap().status == ExecutionStatus::Running {
            tokio::task::yield_now().await;
        }
        let ended = fixture.control.get_execution(id).await.unwrap();
        assert_eq!(ended.status, status);
        // A client that sees the end finds the session free.
        fixture.run(session, "value commit").await.unwrap();
    }
}

#[tokio::test]
async fn an_execution_is_cancelled_before_its_record_is_on_disk() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let id = Uuid::new_v4();
    let (control, options) = (
        fixture.control.clone(),
        RunOptions {
            execution_id: Some(id),
            ..RunOptions::default()
        },
    );
    let held = fixture.store.hold_writes();
    let run = tokio::spawn(async move { control.run_repl(session, "hang".into(), &options).await });
    let live = loop {
        match fixture.control.inner().executions.get(id) {
            Some(live) => break live,
            None => tokio::task::yield_now().await,
        }
    };
    let control = fixture.control.clone();
    let cancel = tokio::spawn(async move { control.cancel_execution(id).await });
    while !live.is_cancelled() {
        tokio::task::yield_now().await;
    }
    drop(held);
    let cancelled = cancel.await.unwrap().unwrap();
    assert_eq!(cancelled.status, ExecutionStatus::Cancelled);
    let ran = run.await.unwrap().unwrap().into_execution();
    assert_eq!(ran.status, ExecutionStatus::Cancelled);
}

#[tokio::test]
async fn nothing_is_run_while_the_ends_of_too_many_wait_for_the_store() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let guards: Vec<_> = (0..100)
        .map(|_| fixture.control.inner().executions.begin_new(session))
        .collect();
    for guard in &guards {
        guard.set_unsettled();
        guard.set_unsettled();
    }
    let refused = fixture.run(session, "value commit").await;
    assert!(
        matches!(refused, Err(Error::Unavailable { .. })),
        "{refused:?}"
    );
    drop(guards);
    fixture.run(session, "value commit").await.unwrap();
}

#[tokio::test]
async fn a_list_of_large_executions_comes_in_portions() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    let script = format!("value commit{}", " ".repeat(6 * 1024 * 1024));
    for _ in 0..3 {
        fixture.run(session, script.clone()).await.unwrap();
    }
    let list = async |page| {
        let filter = ExecutionFilter::default();
        let listed = fixture.control.list_executions(session, filter, page).await;
        listed.unwrap()
    };
    let first = list(PAGE).await;
    assert_eq!((first.items.len(), first.has_more), (2, true));
    let before = first.items.last().map(|execution| execution.id);
    let second = list(Page { before, ..PAGE }).await;
    assert_eq!((second.items.len(), second.has_more), (1, false));
}

#[tokio::test]
async fn a_file_is_read_in_the_worktree_alone() {
    let fixture = Fixture::new().await;
    let session = fixture.session().await;
    std::fs::write(fixture.dir.path().join("a.js"), "value commit").unwrap();
    let options = RunOptions::default();
    let run = |path: &str| {
        let file = FileRun {
            path: path.into(),
            args: JsonObject::default(),
            env: JsonObject::default(),
        };
        fixture.control.run_file(session, file, &options)
    };
    assert_eq!(
        run("a.js").await.unwrap().into_execution().status,
        ExecutionStatus::Ok
    );
    assert!(matches!(
        run("../a.js").await,
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(run("b.js").await, Err(Error::FileNotFound { .. })));
    // A refused file leaves the session free.
    assert_eq!(
        run("a.js").await.unwrap().into_execution().status,
        ExecutionStatus::Ok
    );
}
