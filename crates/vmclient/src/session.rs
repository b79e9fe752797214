//! The endpoints below `/sessions`.

use std::fmt::Display;

use vmapi_types::{
    CompleteRequest, Completeness, Completions, CreateSessionRequest, InspectRequest, Inspection,
    IsCompleteRequest, Session, SessionStatus,
};

use crate::{Call, Client};

impl Client {
    /// `GET /sessions`: the sessions with this status, newest first; `None` means every status.
    pub fn sessions(&self, status: Option<SessionStatus>) -> Call<Vec<Session>> {
        let query = status.map(|status| ("status", status.to_string()));
        self.get_with(&["sessions"], query.as_slice())
    }

    /// `POST /sessions`: starts a session; the daemon answers when it is ready.
    pub fn create_session(&self, request: &CreateSessionRequest) -> Call<Session> {
        self.post(&["sessions"], request)
    }

    /// `GET /sessions/{session_id}`: one session.
    pub fn session(&self, session_id: impl Display) -> Call<Session> {
        self.get(&["sessions", &session_id.to_string()])
    }

    /// `POST /sessions/{session_id}/close`: closes a session; a closed session is returned
    /// unchanged.
    pub fn close_session(&self, session_id: impl Display) -> Call<Session> {
        self.post_empty(&["sessions", &session_id.to_string(), "close"])
    }

    /// `POST /sessions/{session_id}/complete`: the completions at the end of `code`.
    pub fn complete(&self, session_id: impl Display, code: &str) -> Call<Completions> {
        let request = CompleteRequest {
            code: Some(code.to_owned()),
            cursor: None,
        };
        self.post(&["sessions", &session_id.to_string(), "complete"], &request)
    }

    /// `POST /sessions/{session_id}/inspect`: the value of an expression in depth. Its side effects
    /// are discarded.
    pub fn inspect(&self, session_id: impl Display, expression: &str) -> Call<Inspection> {
        let request = InspectRequest {
            expression: Some(expression.to_owned()),
        };
        self.post(&["sessions", &session_id.to_string(), "inspect"], &request)
    }

    /// `POST /sessions/{session_id}/is-complete`: whether the code is complete or needs more lines.
    pub fn is_complete(&self, session_id: impl Display, code: &str) -> Call<Completeness> {
        let request = IsCompleteRequest {
            code: Some(code.to_owned()),
        };
        self.post(
            &["sessions", &session_id.to_string(), "is-complete"],
            &request,
        )
    }
}
