//! The cost of recording executions and of reading their events. The sessions replay a fixed script
//! instead of running JavaScript.

#![allow(missing_docs, reason = "criterion makes public functions")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{json, value::to_raw_value};
use tempfile::TempDir;
use tokio::runtime::Runtime as Tokio;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, EventType, RawJson, Sandbox};
use vmcontrol::library::LoadedLibrary;
use vmcontrol::runtime::{
    BoxFuture, HostModuleInfo, OpenSessionError, OpenedSession, Outcome, Query, QueryError,
    QueryResult, RunRequest, RunResult, RunUpdate, Runtime, RuntimeEvent, RuntimeSession,
    RuntimeUnavailable, SessionEnd, SessionSpec, Usage,
};
use vmcontrol::{Control, ControlOptions, Lease, MemoryBudget, RunOptions};
use vmstore_sqlite::SqliteStore;

/// A runtime whose scripts are numbers: a script prints that many console lines.
struct ScriptedRuntime;

/// A session of [`ScriptedRuntime`]. It never ends.
struct ScriptedSession {
    _ends: oneshot::Sender<SessionEnd>,
}

impl Runtime for ScriptedRuntime {
    fn engines(&self) -> &'static [&'static str] {
        &["boa"]
    }

    fn host_modules(&self) -> &'static [HostModuleInfo] {
        &[]
    }

    fn open_session(
        &self,
        _: SessionSpec,
    ) -> BoxFuture<'_, Result<OpenedSession, OpenSessionError>> {
        Box::pin(async {
            let (ends, ended) = oneshot::channel();
            Ok(OpenedSession {
                session: Arc::new(ScriptedSession { _ends: ends }),
                ended,
            })
        })
    }

    fn try_libraries(
        &self,
        _: String,
        _: Vec<LoadedLibrary>,
    ) -> BoxFuture<'_, Result<(), OpenSessionError>> {
        Box::pin(async { Ok(()) })
    }

    fn sandbox(&self) -> BoxFuture<'_, Result<Sandbox, OpenSessionError>> {
        Box::pin(async {
            Err(OpenSessionError::Unavailable(RuntimeUnavailable {
                reason: "there is no process".into(),
            }))
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl RuntimeSession for ScriptedSession {
    fn run(&self, _: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate> {
        let lines: u64 = request.source.parse().expect("a number of lines");
        let (updates, receiver) = mpsc::channel(256);
        tokio::spawn(async move {
            let line = raw(&json!({"level": "log", "text": "a line of some length"}));
            for _ in 0..lines {
                let event = RuntimeEvent {
                    kind: EventType::Console,
                    payload: line.clone(),
                    charge: Lease::default(),
                };
                if updates.send(RunUpdate::Event(event)).await.is_err() {
                    return;
                }
            }
            let end = RunResult {
                outcome: Outcome::Value(raw(&json!({"type": "undefined", "preview": "undefined"}))),
                usage: Some(Usage::default()),
                charge: Lease::default(),
            };
            // The receiver is gone if the execution could not be recorded.
            let _ = updates.send(RunUpdate::Ended(end)).await;
            let _ = updates.send(RunUpdate::Committed).await;
        });
        receiver
    }

    fn cancel(&self, _: Uuid) {}

    fn query(&self, _: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>> {
        Box::pin(async { Err(QueryError::Gone) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn raw(value: &serde_json::Value) -> RawJson {
    to_raw_value(value).expect("it is JSON")
}

async fn session(home: &TempDir) -> (Control, Uuid) {
    let control = Control::open(ControlOptions {
        memory: MemoryBudget::default(),
        store: Arc::new(SqliteStore::open(&home.path().join("bench.db")).expect("a database")),
        runtime: Arc::new(ScriptedRuntime),
        library_cache: home.path().join("libraries"),
        own_files: Vec::new(),
        max_sessions: 1,
    })
    .await
    .expect("a service");
    let template = control
        .create_template("template".into(), None)
        .await
        .expect("a template");
    let request = CreateSessionRequest {
        template_id: Some(template.id.to_string()),
        workspace_id: Some("workspace".into()),
        base_commit_oid: Some("commit".into()),
        worktree_path: home.path().to_str().map(str::to_owned),
        unwatched_timeout_ms: None,
    };
    let session = control.create_session(request).await.expect("a session");
    (control, session.id)
}

fn executions(criterion: &mut Criterion) {
    let tokio = Tokio::new().expect("threads");
    let home = tempfile::tempdir().expect("a directory");
    let (control, session) = tokio.block_on(session(&home));
    let run = |lines: u64| {
        let options = RunOptions::default();
        let ran = tokio.block_on(control.run_repl(session, lines.to_string(), &options));
        ran.expect("it is recorded").into_execution().id
    };
    let mut group = criterion.benchmark_group("recording an execution, synced");
    for lines in [0, 100, 2_000] {
        group.throughput(Throughput::Elements(lines + 2));
        group.bench_function(format!("{lines} lines"), |bencher| {
            bencher.iter(|| run(lines));
        });
    }
    group.finish();
    let long = run(10_000);
    let mut group = criterion.benchmark_group("reading events");
    for limit in [100, 10_000] {
        group.throughput(Throughput::Elements(limit as u64));
        group.bench_function(format!("{limit} of 10,000"), |bencher| {
            bencher.iter(|| {
                let events = tokio
                    .block_on(control.list_events(long, 0, limit))
                    .expect("events");
                assert_eq!(events.items.len(), limit);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, executions);
criterion_main!(benches);
