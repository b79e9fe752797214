//! Records as clients see them: a status in a record may be preliminary.

use vmapi_types::{Execution, ExecutionStatus, Metrics, Session, SessionStatus};

/// A session whose record may say `ready` before the session is: the record is stored while the
/// process is made.
pub(crate) fn session_as_seen(session: Session, is_starting: bool) -> Session {
    match session.status {
        SessionStatus::Ready if is_starting => Session {
            status: SessionStatus::Starting,
            ..session
        },
        _ => session,
    }
}

/// An execution whose record may have a preliminary end: the end is stored while the session
/// commits.
pub(crate) fn execution_as_seen(execution: Execution, is_running: bool) -> Execution {
    if !is_running || execution.status == ExecutionStatus::Running {
        return execution;
    }
    Execution {
        status: ExecutionStatus::Running,
        ended_at: None,
        result: None,
        error: None,
        metrics: Metrics::default(),
        ..execution
    }
}
