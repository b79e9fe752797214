//! The endpoints below `/executions`.

use std::fmt::Display;

use vmapi_types::{Event, Execution, ReplRequest, RunFileRequest};

use crate::pages::{Cursor, Pages};
use crate::{Call, Client};

impl Client {
    /// `GET /executions`: the executions of a session, newest first, at most `limit` of them;
    /// `None` means all.
    pub fn executions(&self, session_id: impl Display, limit: Option<usize>) -> Pages<Execution> {
        let query = vec![("session_id", session_id.to_string())];
        Pages::new(self, &["executions"], query, Cursor::Before, limit)
    }

    /// `POST /executions/repl`: runs a snippet. An execution that throws is a successful answer.
    /// The daemon never runs an `execution_id` twice, so a request that has one is sent again if
    /// its connection breaks.
    pub fn repl(&self, request: &ReplRequest) -> Call<Execution> {
        let call = self.post(&["executions", "repl"], request);
        repeatable_with_id(call, request.execution_id.as_ref())
    }

    /// `POST /executions/run-file`: runs a file of the session's worktree. An `execution_id` has
    /// the same effect as for [`repl`](Self::repl).
    pub fn run_file(&self, request: &RunFileRequest) -> Call<Execution> {
        let call = self.post(&["executions", "run-file"], request);
        repeatable_with_id(call, request.execution_id.as_ref())
    }

    /// `GET /executions/{execution_id}`: one execution.
    pub fn execution(&self, execution_id: impl Display) -> Call<Execution> {
        self.get(&["executions", &execution_id.to_string()])
    }

    /// `POST /executions/{execution_id}/cancel`: cancels a running execution and rolls it back; an
    /// execution that has ended is returned unchanged.
    pub fn cancel(&self, execution_id: impl Display) -> Call<Execution> {
        self.post_empty(&["executions", &execution_id.to_string(), "cancel"])
    }

    /// `GET /executions/{execution_id}/events`: the events with a sequence number above
    /// `after_seq`, in ascending order; 0 returns all.
    pub fn events(&self, execution_id: impl Display, after_seq: u64) -> Pages<Event> {
        let path = ["executions", &execution_id.to_string(), "events"];
        let query = vec![("after_seq", after_seq.to_string())];
        Pages::new(self, &path, query, Cursor::AfterSeq, None)
    }
}

/// Marks a call as idempotent if its request names an execution id.
fn repeatable_with_id(call: Call<Execution>, id: Option<&String>) -> Call<Execution> {
    if id.is_some() {
        call.repeatable()
    } else {
        call
    }
}
