//! The filters and the portions of lists.

use std::fmt;

use uuid::Uuid;
use vmapi_types::{ExecutionKind, ExecutionStatus, SessionStatus};

use super::Page;

/// Which sessions. `None` is no filter.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Those of this status.
    pub status: Option<SessionStatus>,
    /// Those that were made from this template.
    pub template_id: Option<Uuid>,
    /// Those of this workspace.
    pub workspace_id: Option<String>,
}

/// A portion of the sessions, newest first.
pub struct SessionQuery {
    /// Which sessions.
    pub filter: SessionFilter,
    /// Which portion.
    pub page: Page,
    /// How many bytes the records may take.
    pub max_bytes: usize,
    /// Gives the sessions that count as `starting` though their records say `ready`. It is called
    /// once, on a thread that may block, after the moment of which the records are: a session that
    /// becomes ready between the two is then found as one or the other and never missed. The filter
    /// goes by it; the records are returned as they are.
    pub starting: Box<dyn FnOnce() -> Vec<Uuid> + Send>,
}

impl fmt::Debug for SessionQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionQuery")
            .field("filter", &self.filter)
            .field("page", &self.page)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

/// Which executions of a session. `None` is no filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecutionFilter {
    /// Those of this status.
    pub status: Option<ExecutionStatus>,
    /// Those of this kind.
    pub kind: Option<ExecutionKind>,
}

/// A portion of the executions of a session, newest first.
#[derive(Clone, Debug)]
pub struct ExecutionQuery {
    /// The session.
    pub session_id: Uuid,
    /// Which of its executions.
    pub filter: ExecutionFilter,
    /// Which portion.
    pub page: Page,
    /// How many bytes the records may take.
    pub max_bytes: usize,
    /// The executions that count as `running` whatever their records say. The filter goes by it;
    /// the records are returned as they are.
    pub running: Vec<Uuid>,
}

/// How a read treats unreadable parts of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreadable {
    /// They are left out: the caller shows what can be read.
    LeaveOut,
    /// The first is an error: the caller acts on all parts, and an unreadable one may forbid
    /// something.
    Refuse,
}
