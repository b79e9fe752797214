use std::fmt::Display;

use vmapi_types::{Event, Execution, ReplRequest, RunFileRequest};

use crate::portions::{Cursor, Portions};
use crate::{Call, Client};

impl Client {
    /// `GET /executions`: the newest executions of a session, at most `limit`; all when `None`.
    pub fn executions(
        &self,
        session_id: impl Display,
        limit: Option<usize>,
    ) -> Portions<Execution> {
        let query = vec![("session_id", session_id.to_string())];
        Portions::new(self, &["executions"], query, Cursor::Before, limit)
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
    pub fn events(&self, execution_id: impl Display, after_seq: u64) -> Portions<Event> {
        let path = ["executions", &execution_id.to_string(), "events"];
        let query = vec![("after_seq", after_seq.to_string())];
        Portions::new(self, &path, query, Cursor::AfterSeq, None)
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
