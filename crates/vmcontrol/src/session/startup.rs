//! The code that a session gets before it is ready: its libraries and its startup files.

use std::sync::Arc;

use tokio::sync::oneshot;
use vmapi_types::StartupFile;

use crate::execution::failure::exception_message;
use crate::execution::run::{EndedRun, Run, run_recorded};
use crate::execution::source::read_source;
use crate::library::LoadedLibrary;
use crate::session::registry::RegisteredSession;
use crate::tasks::blocking;
use crate::{Control, Error, Result};

impl Control {
    /// The code of the libraries of a session, checked against the lock file of the cache.
    ///
    /// # Errors
    /// [`Error::LibraryUnavailable`].
    pub(super) async fn load_libraries(
        &self,
        live: &Arc<RegisteredSession>,
    ) -> Result<Vec<LoadedLibrary>> {
        if live.policy.libraries.is_empty() {
            return Ok(Vec::new());
        }
        let (libraries, policy) = (
            Arc::clone(&self.inner().libraries),
            Arc::clone(&live.policy),
        );
        let session_id = live.id;
        blocking(move || Self::load_named(&libraries, &policy.libraries, session_id)).await
    }

    /// Runs a startup file.
    ///
    /// # Errors
    /// [`Error::StartupFailed`], [`Error::StartupPathInvalid`], [`Error::Unavailable`].
    pub(super) async fn run_startup_file(
        &self,
        live: &Arc<RegisteredSession>,
        file: &StartupFile,
    ) -> Result<()> {
        let failed = |execution_id, message: String| Error::StartupFailed {
            session_id: live.id,
            path: file.path.clone(),
            execution_id,
            message,
        };
        let (path, source) = read_source(&self.inner().memory, &live.worktree, &file.path)
            .await
            .map_err(|error| match error {
                Error::InvalidPath { path, reason } => Error::StartupPathInvalid {
                    session_id: live.id,
                    path,
                    reason,
                },
                error => failed(None, error.to_string()),
            })?;
        let guard = self.inner().executions.begin_new(live.id);
        let run = Run::startup(
            live.id,
            guard.id(),
            &path,
            &file.mode,
            source,
            live.policy.limits,
        );
        let (begun, _) = oneshot::channel();
        let EndedRun { execution, failure } =
            run_recorded(self, live, Arc::new(guard), run, begun).await?;
        let message = match (failure, &execution.error) {
            (Some(failure), _) => failure.message,
            (None, Some(exception)) => exception_message(exception),
            (None, None) => return Ok(()),
        };
        Err(failed(Some(execution.id), message))
    }
}
