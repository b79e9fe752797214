//! The service without processes, for tests of this crate and of implementations of its ports.

#![allow(
    clippy::missing_panics_doc,
    reason = "what tests call panics when the test fails"
)]

mod fake;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use uuid::Uuid;
use vmapi_types::{CreateSessionRequest, Event, Execution};

pub use fake::{FakeRuntime, MODULES};

use crate::store::Store;
use crate::{
    Control, ControlOptions, ExecutionFilter, MemoryBudget, Page, Result, RunOptions, Submitted,
};

/// The start of a list.
pub const PAGE: Page = Page {
    limit: 100,
    before: None,
    after: None,
};

/// A service on a store, with a [`FakeRuntime`] and a directory of its own.
///
/// # Panics
/// All methods panic when an operation of the service fails.
pub struct Fixture {
    /// The directory, which is the worktree of its sessions.
    pub dir: TempDir,
    /// The service.
    pub control: Control,
    /// The runtime of its sessions.
    pub runtime: Arc<FakeRuntime>,
}

impl Fixture {
    /// A service on a store whose files, if it has any, are in `dir`.
    pub async fn on(store: Arc<dyn Store>, dir: TempDir) -> Self {
        Self::with(store, dir, |options| options).await
    }

    /// As [`on`](Self::on), with other options.
    pub async fn with(
        store: Arc<dyn Store>,
        dir: TempDir,
        change: impl FnOnce(ControlOptions) -> ControlOptions,
    ) -> Self {
        let (control, runtime) = open(store, dir.path(), change).await.unwrap();
        Self {
            dir,
            control,
            runtime,
        }
    }

    /// Runs a script to its end.
    ///
    /// # Errors
    /// Those of the service.
    pub async fn run(&self, session: Uuid, code: impl Into<String>) -> Result<Execution> {
        let ran = self
            .control
            .run_repl(session, code.into(), &RunOptions::default())
            .await;
        ran.map(Submitted::into_execution)
    }

    /// The executions of a session, newest first.
    pub async fn executions(&self, session: Uuid) -> Vec<Execution> {
        let filter = ExecutionFilter::default();
        let listed = self.control.list_executions(session, filter, PAGE).await;
        listed.unwrap().value.items
    }

    /// The stored events of an execution after number `after`.
    pub async fn events(&self, execution: Uuid, after: u64) -> Vec<Event> {
        let listed = self.control.list_events(execution, after, usize::MAX).await;
        let events = listed.unwrap().value.items.into_iter();
        events.map(|live| live.event.clone()).collect()
    }

    /// Makes a template.
    pub async fn template(&self) -> Uuid {
        let name = Uuid::new_v4().to_string();
        self.control.create_template(name, None).await.unwrap().id
    }

    /// A request for a session of a template, in the directory.
    pub fn request(&self, template: Uuid) -> CreateSessionRequest {
        CreateSessionRequest {
            template_id: Some(template.to_string()),
            workspace_id: Some("workspace".into()),
            base_commit_oid: Some("commit".into()),
            worktree_path: Some(self.dir.path().to_str().unwrap().into()),
            unwatched_timeout_ms: None,
        }
    }

    /// Makes a session of a new template.
    pub async fn session(&self) -> Uuid {
        let template = self.template().await;
        let request = self.request(template);
        self.control.create_session(request).await.unwrap().id
    }
}

/// A service on a store, with a runtime of its own.
///
/// # Errors
/// Those of [`Control::open`].
pub async fn open(
    store: Arc<dyn Store>,
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
    };
    Ok((Control::open(change(options)).await?, runtime))
}
