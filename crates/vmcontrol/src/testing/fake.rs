//! A fake runtime. Its scripts are lists of words, and each word is an update for the service.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;
use vmapi_types::{EventType, LandlockLevel, Sandbox};

use crate::Lease;
use crate::execution::failure::payload;
use crate::library::LoadedLibrary;
use crate::runtime::{
    BoxFuture, Failure, FailureCode, HostModuleInfo, OpenSessionError, OpenedSession, Outcome,
    Query, QueryError, QueryResult, RunRequest, RunResult, RunUpdate, Runtime, RuntimeEvent,
    RuntimeSession, RuntimeUnavailable, SessionEnd, SessionSpec, Usage,
};

/// The host modules of the fake runtime. One of them takes a configuration.
pub const MODULES: &[HostModuleInfo] = &[
    module("database", &[]),
    module("exec", &["commands"]),
    module("fs", &[]),
];

const fn module(name: &'static str, config_keys: &'static [&'static str]) -> HostModuleInfo {
    HostModuleInfo {
        name,
        summary: "",
        description: "",
        functions: &[],
        config_keys,
    }
}

/// A runtime without processes. A script is a list of words: `value`, `throw`, `commit`, `timeout`,
/// `crash`, `output`, `call`, `hold` and `hang` do what they are named for, and every other word is
/// an event of the console.
pub struct FakeRuntime {
    /// Whether no session can be opened.
    pub refuses: AtomicBool,
    /// How many scripts were run.
    pub runs: Arc<AtomicU32>,
    /// Scripts wait for a permit of this semaphore at the word `hold`.
    pub let_go: Arc<Semaphore>,
    /// The senders of the ends of the sessions, in the order in which they were opened.
    pub ends: Mutex<Vec<oneshot::Sender<SessionEnd>>>,
}

impl Default for FakeRuntime {
    fn default() -> Self {
        Self {
            refuses: AtomicBool::default(),
            runs: Arc::default(),
            let_go: Arc::new(Semaphore::new(0)),
            ends: Mutex::default(),
        }
    }
}

impl Runtime for FakeRuntime {
    fn engines(&self) -> &'static [&'static str] {
        &["boa"]
    }

    fn host_modules(&self) -> &'static [HostModuleInfo] {
        MODULES
    }

    fn open_session(
        &self,
        _: SessionSpec,
    ) -> BoxFuture<'_, Result<OpenedSession, OpenSessionError>> {
        Box::pin(async {
            if self.refuses.load(Ordering::Relaxed) {
                return Err(OpenSessionError::Unavailable(RuntimeUnavailable {
                    reason: "none today".into(),
                }));
            }
            let (end, ended) = oneshot::channel();
            self.ends.lock().unwrap().push(end);
            Ok(OpenedSession {
                session: Arc::new(FakeSession {
                    runs: Arc::clone(&self.runs),
                    let_go: Arc::clone(&self.let_go),
                    hanging: Mutex::default(),
                }),
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
            Ok(Sandbox {
                seccomp: false,
                system_calls: Vec::new(),
                no_new_privs: false,
                not_dumpable: false,
                landlock: LandlockLevel::None,
            })
        })
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct FakeSession {
    runs: Arc<AtomicU32>,
    let_go: Arc<Semaphore>,
    /// Runs that never end, until the session is closed.
    hanging: Mutex<HashMap<Uuid, mpsc::Sender<RunUpdate>>>,
}

impl RuntimeSession for FakeSession {
    fn run(&self, execution_id: Uuid, request: RunRequest) -> mpsc::Receiver<RunUpdate> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let (updates, receiver) = mpsc::channel(1);
        if request.source.trim() == "hang" {
            self.hanging.lock().unwrap().insert(execution_id, updates);
        } else {
            tokio::spawn(play(
                request.source.as_ref().to_owned(),
                updates,
                Arc::clone(&self.let_go),
            ));
        }
        receiver
    }

    fn cancel(&self, execution_id: Uuid) {
        if let Some(updates) = self.hanging.lock().unwrap().remove(&execution_id) {
            let _ = updates.try_send(rolled_back(FailureCode::Cancelled));
        }
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryResult, QueryError>> {
        Box::pin(async move {
            match query {
                Query::Complete(_) | Query::Inspect(_) => Err(QueryError::Exceeded),
                Query::IsComplete(_) => Err(QueryError::Gone),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let hanging = std::mem::take(&mut *self.hanging.lock().unwrap());
            for updates in hanging.into_values() {
                let reason = "closed".into();
                let _ = updates
                    .send(RunUpdate::SessionLost(SessionEnd { reason }))
                    .await;
            }
        })
    }
}

async fn play(script: String, updates: mpsc::Sender<RunUpdate>, let_go: Arc<Semaphore>) {
    for word in script.split_whitespace() {
        let _ = match word {
            "value" => updates.send(end(Outcome::Value(payload(&json!({"type": "number"}))))),
            "throw" => updates.send(end(Outcome::Exception(payload(&json!({"message": "no"}))))),
            "commit" => updates.send(RunUpdate::Committed),
            "timeout" => updates.send(rolled_back(FailureCode::WallTimeLimit)),
            "crash" => updates.send(rolled_back(FailureCode::RuntimeCrashed)),
            "output" => updates.send(rolled_back(FailureCode::OutputLimit)),
            "call" => {
                let (go_on, recorded) = oneshot::channel();
                let _ = updates.send(RunUpdate::BeforeHostCall(go_on)).await;
                let _ = recorded.await;
                continue;
            }
            "hold" => {
                let_go.acquire().await.unwrap().forget();
                continue;
            }
            text => {
                let payload = payload(&json!({"level": "log", "text": text}));
                updates.send(RunUpdate::Event(RuntimeEvent {
                    kind: EventType::Console,
                    payload,
                    charge: Lease::default(),
                }))
            }
        }
        .await;
    }
}

fn end(outcome: Outcome) -> RunUpdate {
    RunUpdate::Ended(RunResult {
        outcome,
        usage: Some(Usage::default()),
        charge: Lease::default(),
    })
}

fn rolled_back(code: FailureCode) -> RunUpdate {
    RunUpdate::Ended(RunResult {
        outcome: Outcome::RolledBack(Failure {
            code,
            message: "it failed".into(),
        }),
        usage: None,
        charge: Lease::default(),
    })
}
