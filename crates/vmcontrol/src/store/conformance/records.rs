//! Records that the cases store.

use serde_json::json;
use serde_json::value::to_raw_value;
use uuid::Uuid;
use vmapi_types::{
    Capability, Event, EventType, Execution, ExecutionKind, ExecutionStatus, Limits, Metrics,
    RawJson, Resolver, RuntimeSettings, Session, SessionStatus, Settings, StartupFile, Template,
    Timestamp,
};

use crate::store::{
    EventBatch, ExecutionEnd, ExecutionFilter, ExecutionQuery, Page, SessionFilter, SessionQuery,
    Store, StoreError, Urgency,
};

/// A size in bytes that no case exceeds.
pub(super) const PLENTY: usize = 1 << 30;

/// The start of a list.
pub(super) const PAGE: Page = Page {
    limit: 100,
    before: None,
    after: None,
};

/// A time, in seconds since the epoch.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// JSON text.
pub(super) fn json(value: &serde_json::Value) -> RawJson {
    to_raw_value(value).unwrap()
}

/// Stores a template of that name.
pub(super) async fn template(store: &dyn Store, name: &str) -> Uuid {
    let (template, settings) = new_template(name);
    let id = template.id;
    store.create_template(template, settings).await.unwrap();
    id
}

/// A template that is not stored.
pub(super) fn new_template(name: &str) -> (Template, Settings) {
    let id = Uuid::new_v4();
    let template = Template {
        id,
        name: name.into(),
        engine: "boa".into(),
        is_active: true,
        exposed_modules: Vec::new(),
        libraries: Vec::new(),
        created_at: at(10),
        updated_at: at(10),
    };
    let settings = Settings {
        vm_id: id,
        limits: Limits::default(),
        resolver: Resolver::default(),
        runtime: RuntimeSettings::default(),
    };
    (template, settings)
}

/// A capability that is not stored.
pub(super) fn capability(template: Uuid, name: &str) -> Capability {
    Capability {
        id: Uuid::new_v4(),
        vm_id: template,
        kind: "env".into(),
        name: name.into(),
        enabled: true,
        config: serde_json::from_value(json!({"a": [1, "b"]})).unwrap(),
    }
}

/// A startup file that is not stored.
pub(super) fn startup_file(template: Uuid, path: &str, order_index: i64) -> StartupFile {
    StartupFile {
        id: Uuid::new_v4(),
        vm_id: template,
        path: path.into(),
        order_index,
        mode: "eval".into(),
    }
}

/// The record of a session without a template. It is not stored.
pub(super) fn new_session(status: SessionStatus) -> Session {
    Session {
        id: Uuid::new_v4(),
        vm_id: Uuid::new_v4(),
        workspace_id: "workspace".into(),
        base_commit_oid: "commit".into(),
        worktree_path: "/tree".into(),
        status,
        created_at: at(20),
        closed_at: None,
        last_error: None,
        runtime_meta: Some(json(&json!({"policy": 1}))),
    }
}

/// Stores a session.
pub(super) async fn store_session(store: &dyn Store, session: &Session) -> Result<(), StoreError> {
    let permit = store.write_room().reserve().await?;
    store.create_session(permit, session.clone())?.wait().await
}

/// Stores a ready session.
pub(super) async fn session(store: &dyn Store) -> Uuid {
    let session = new_session(SessionStatus::Ready);
    store_session(store, &session).await.unwrap();
    session.id
}

/// The ids of the sessions that a query finds, and whether there are more; `None` when the page
/// begins at a session that does not exist.
pub(super) async fn sessions(
    store: &dyn Store,
    filter: SessionFilter,
    page: Page,
    starting: &[Uuid],
) -> Option<(Vec<Uuid>, bool)> {
    let starting = starting.to_vec();
    let query = SessionQuery {
        filter,
        page,
        max_bytes: PLENTY,
        starting: Box::new(|| starting),
    };
    let portion = store.list_sessions(query).await.unwrap()?;
    let ids = portion.items.iter().map(|session| session.id).collect();
    Some((ids, portion.has_more))
}

/// The record of a running execution. It is not stored.
pub(super) fn new_execution(session_id: Uuid) -> Execution {
    Execution {
        id: Uuid::new_v4(),
        session_id,
        kind: ExecutionKind::Repl,
        input: Some("1 + 1".into()),
        path: None,
        args: json(&json!([])),
        env: json(&json!({})),
        status: ExecutionStatus::Running,
        started_at: at(30),
        ended_at: None,
        result: None,
        error: None,
        metrics: Metrics::default(),
    }
}

/// Stores an execution.
pub(super) async fn insert(store: &dyn Store, execution: &Execution) -> Result<(), StoreError> {
    let permit = store.write_room().reserve().await?;
    let inserted = store.insert_execution(permit, execution.clone(), None)?;
    inserted.wait().await
}

/// Stores an execution that runs.
pub(super) async fn running(store: &dyn Store, session: Uuid) -> Uuid {
    let execution = new_execution(session);
    insert(store, &execution).await.unwrap();
    execution.id
}

/// Stores an execution that ended at a time, with a number of events.
pub(super) async fn ended(store: &dyn Store, session: Uuid, events: u64, at: Timestamp) -> Uuid {
    let id = running(store, session).await;
    let ended = ExecutionEnd {
        ended_at: at,
        ..end(ExecutionStatus::Ok, events)
    };
    finish(store, batch(id, 1..=events), ended).await.unwrap();
    id
}

/// An end with a number of events.
pub(super) fn end(status: ExecutionStatus, events: u64) -> ExecutionEnd {
    ExecutionEnd {
        status,
        ended_at: at(40),
        result: Some(json(&json!({"type": "number"}))),
        error: None,
        metrics: Metrics {
            events,
            ..Metrics::default()
        },
    }
}

/// Events with these numbers.
pub(super) fn batch(execution_id: Uuid, numbers: impl IntoIterator<Item = u64>) -> EventBatch {
    let event = |seq| Event {
        execution_id,
        seq,
        ts: at(35),
        kind: EventType::Console,
        payload: json(&json!({"text": seq.to_string()})),
    };
    EventBatch {
        execution_id,
        events: numbers.into_iter().map(event).collect(),
        leases: Vec::new(),
    }
}

/// Appends events and waits until they are stored.
pub(super) async fn append(store: &dyn Store, batch: EventBatch) -> Result<(), StoreError> {
    let permit = store.write_room().reserve().await?;
    let appended = store.append_events(permit, batch, Urgency::Prompt)?;
    appended.wait().await
}

/// Ends an execution and waits until that is stored.
pub(super) async fn finish(
    store: &dyn Store,
    batch: EventBatch,
    end: ExecutionEnd,
) -> Result<(), StoreError> {
    let permit = store.write_room().reserve().await?;
    store.finish_execution(permit, batch, end)?.wait().await
}

/// The numbers of all events of an execution.
pub(super) async fn numbers(store: &dyn Store, execution: Uuid) -> Vec<u64> {
    let all = store.events_after(execution, 0, usize::MAX, PLENTY).await;
    all.unwrap().items.iter().map(|event| event.seq).collect()
}

/// The ids of the executions that a query finds, and whether there are more; `None` when the page
/// begins at an execution that does not exist.
pub(super) async fn executions(
    store: &dyn Store,
    session_id: Uuid,
    filter: ExecutionFilter,
    page: Page,
    running: &[Uuid],
) -> Option<(Vec<Uuid>, bool)> {
    let query = ExecutionQuery {
        session_id,
        filter,
        page,
        max_bytes: PLENTY,
        running: running.to_vec(),
    };
    let portion = store.list_executions(query).await.unwrap()?;
    let ids = portion.items.iter().map(|execution| execution.id).collect();
    Some((ids, portion.has_more))
}
