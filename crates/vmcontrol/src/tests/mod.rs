//! The core without processes: a store, and a runtime that plays what its scripts say.

mod damage;
mod executions;
pub(crate) mod fake;
mod imports;
mod pages;
mod sessions;
mod stores;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, Event, Execution};

use crate::{
    Control, ControlOptions, ExecutionFilter, MemoryBudget, Page, Result, Retention, RunOptions,
    Store, Submitted,
};
use fake::FakeRuntime;

/// The start of a list.
const PAGE: Page = Page {
    limit: 100,
    before: None,
    after: None,
};

/// A service of its own, on a database in a temporary directory.
struct Fixture {
    dir: TempDir,
    control: Control,
    runtime: Arc<FakeRuntime>,
}

impl Fixture {
    async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    /// Runs a snippet to its end.
    async fn run(&self, session: Uuid, code: impl Into<String>) -> Result<Execution> {
        let ran = self
            .control
            .run_repl(session, code.into(), &RunOptions::default())
            .await;
        ran.map(Submitted::into_execution)
    }

    /// The executions of a session, newest first.
    async fn executions(&self, session: Uuid) -> Vec<Execution> {
        let filter = ExecutionFilter::default();
        let listed = self.control.list_executions(session, filter, PAGE).await;
        listed.unwrap().value.items
    }

    /// The stored events of an execution after number `after`.
    async fn events(&self, execution: Uuid, after: u64) -> Vec<Event> {
        let listed = self.control.list_events(execution, after, usize::MAX).await;
        let events = listed.unwrap().value.items.into_iter();
        events.map(|live| live.event.clone()).collect()
    }

    /// Keeps the store from being written until what this returns is dropped.
    async fn lock_store(&self) -> Connection {
        let at_once = |connection: &Connection| Ok(connection.busy_timeout(Duration::ZERO)?);
        self.control.store().write(at_once).await.unwrap();
        let other = Connection::open(self.dir.path().join("test.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    /// On a directory that may hold an earlier database.
    async fn on(dir: TempDir) -> Self {
        Self::with(dir, None).await
    }

    /// With sessions that may be idle for so long.
    async fn with(dir: TempDir, session_idle_timeout: Option<Duration>) -> Self {
        let store = Store::open(&dir.path().join("test.db")).unwrap();
        let options = |options| ControlOptions {
            session_idle_timeout,
            ..options
        };
        let (control, runtime) = control_with(store, dir.path(), options).await.unwrap();
        Self {
            dir,
            control,
            runtime,
        }
    }

    async fn template(&self) -> Uuid {
        let name = Uuid::new_v4().to_string();
        self.control.create_template(name, None).await.unwrap().id
    }

    fn request(&self, template: Uuid) -> CreateSessionRequest {
        CreateSessionRequest {
            template_id: Some(template.to_string()),
            workspace_id: Some("workspace".into()),
            base_commit_oid: Some("commit".into()),
            worktree_path: Some(self.dir.path().to_str().unwrap().into()),
            unwatched_timeout_ms: None,
        }
    }

    async fn session(&self) -> Uuid {
        let template = self.template().await;
        let request = self.request(template);
        self.control.create_session(request).await.unwrap().id
    }
}

/// A service on a store.
pub(crate) async fn control_of(store: Store, dir: &Path) -> Result<Control> {
    let made = control_with(store, dir, |options| options).await;
    made.map(|(control, _)| control)
}

async fn control_with(
    store: Store,
    dir: &Path,
    change: impl FnOnce(ControlOptions) -> ControlOptions,
) -> Result<(Control, Arc<FakeRuntime>)> {
    let runtime = Arc::new(FakeRuntime::default());
    let options = ControlOptions {
        memory: MemoryBudget::default(),
        store,
        runtime: Arc::clone(&runtime) as _,
        library_cache: dir.join("libraries"),
        own_files: Vec::new(),
        max_sessions: 100,
        session_idle_timeout: None,
        retention: Retention::default(),
    };
    Ok((Control::open(change(options)).await?, runtime))
}
