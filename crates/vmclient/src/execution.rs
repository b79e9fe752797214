use std::fmt::Display;

use uuid::Uuid;
use vmapi_types::{Event, Execution, ReplRequest, RunFileRequest};

use crate::{Call, Client};

impl Client {
    /// `GET /executions`: the newest executions of a session, at most `limit` (the daemon's own limit when `None`).
    pub fn executions(&self, session_id: impl Display, limit: Option<u32>) -> Call<Vec<Execution>> {
        let mut query = vec![("session_id", session_id.to_string())];
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        self.get_with(&["executions"], &query)
    }

    /// `GET /executions`: executions of a session, newest first and older than that one; at most `limit`.
    pub fn executions_before(
        &self,
        session_id: impl Display,
        before: Option<Uuid>,
        limit: u32,
    ) -> Call<Vec<Execution>> {
        let mut query = vec![
            ("session_id", session_id.to_string()),
            ("limit", limit.to_string()),
        ];
        query.extend(before.map(|id| ("before", id.to_string())));
        self.get_with(&["executions"], &query)
    }

    /// `POST /executions/repl`: runs a snippet. One that throws is an answer like any other. With an `execution_id`, which is
    /// never run twice, the request is sent once more if its connection breaks.
    pub fn repl(&self, request: &ReplRequest) -> Call<Execution> {
        let call = self.post(&["executions", "repl"], request);
        once(call, request.execution_id.as_ref())
    }

    /// `POST /executions/run-file`: runs a file of the session's worktree. An `execution_id` is what it is for
    /// [`repl`](Self::repl).
    pub fn run_file(&self, request: &RunFileRequest) -> Call<Execution> {
        let call = self.post(&["executions", "run-file"], request);
        once(call, request.execution_id.as_ref())
    }

    /// `GET /executions/{execution_id}`.
    pub fn execution(&self, execution_id: impl Display) -> Call<Execution> {
        self.get(&["executions", &execution_id.to_string()])
    }

    /// `POST /executions/{execution_id}/cancel`: rolls back what runs; an execution that has ended stays as it is.
    pub fn cancel(&self, execution_id: impl Display) -> Call<Execution> {
        self.post_nothing(&["executions", &execution_id.to_string(), "cancel"])
    }

    /// `GET /executions/{execution_id}/events`: the events after number `after_seq`, in order; 0 gives all.
    pub fn events(&self, execution_id: impl Display, after_seq: u64) -> Call<Vec<Event>> {
        self.get_with(
            &["executions", &execution_id.to_string(), "events"],
            &[("after_seq", after_seq.to_string())],
        )
    }
}

/// A call that runs something, under an id or not.
fn once(call: Call<Execution>, id: Option<&String>) -> Call<Execution> {
    if id.is_some() {
        call.repeatable()
    } else {
        call
    }
}
